/* What the fuzz targets of http/ share: requests made of memory under the default limits. */
#ifndef SLIPWAY_FUZZ_H
#define SLIPWAY_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "http/form.h"
#include "http/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define X(field, section, key, def, least, most) .field = (def),
static const struct config fuzz_config = {
    LIMITS(X).data_dir = (char *)"/nowhere", .public_url = (char *)"",
    .trusted_proxies = (char *)"127.0.0.1 ::1", .cors_origins = (char *)"", .tile_url = (char *)""};
#undef X

/* A broken promise of ours, not of the input's. */
static inline void fuzz_check(bool holds)
{
	if (!holds)
		abort();
}

#endif
