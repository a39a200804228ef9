/*
 * The columns that positional rows fill: what a file's table is made to fit.
 * Source: contracts/signed-api.md 3.2.
 */
#ifndef SLIPWAY_SIGNED_COLUMNS_H
#define SLIPWAY_SIGNED_COLUMNS_H

#include "signed/writer.h"

/*
 * [{"name","type":"text|integer|real|boolean|date|timestamp|json"}…] in the receiver's order,
 * without those the server or the database fills; of a table that is not there yet, those it will
 * have. Owns:   caller frees *RET. Errors: false: R.
 */
bool write_columns(struct targets *, const struct receiver *, json_object **ret, struct refusal *r);

#endif
