/*
 * A receiver: a write target with its configuration (SmartChart calls it a dataset).  Pure: knows
 * no database and no store. Source: contracts/signed-api.md 4, 7.2.
 */
#ifndef SLIPWAY_SIGNED_RECEIVER_H
#define SLIPWAY_SIGNED_RECEIVER_H

#include <stdbool.h>
#include "base/json.h"
#include "signed/refusal.h"

enum operation { OP_INSERT, OP_UPDATE, OP_DELETE, OP__MAX };

enum column_type {
	TYPE_TEXT,
	TYPE_INTEGER,
	TYPE_REAL,
	TYPE_BOOLEAN,
	TYPE_DATE,
	TYPE_TIMESTAMP,
	TYPE_JSON,
	TYPE__MAX
};

/* What the server fills in: autoDict, and the words of sFields. */
enum auto_kind {
	AUTO_CONSTANT,
	AUTO_USERNAME,
	AUTO_VISITOR,
	AUTO_STAMP,
	AUTO_NOW,
	AUTO_CURDATE,
	AUTO_CURTIME,
	AUTO_CURRENT_TIMESTAMP,
	AUTO_CURRENT_DATE,
	AUTO_UUID,
	AUTO_NULL,
	AUTO_CODE, /* autoCode: prefix + yyyymmdd + counter of the day */
};
struct receiver_auto {
	char *column;
	enum auto_kind kind;
	char *text; /* of a constant; prefix of a code */
};
struct receiver_column {
	char *name;
	enum column_type type;
	int64_t srid; /* of a geometry of PostGIS; 0 = none, not known */
};
struct receiver_pair {
	char *field, *column;
}; /* fDict; map: column = header text or "#3" */

struct receiver {
	int64_t id;
	char *name;
	bool enabled;
	char *target; /* connection: "default" */
	char *schema; /* NULL = none */
	char *table;
	char **columns; /* of "table": n_columns; 0 = the table's own order */
	size_t n_columns;
	struct receiver_column *types; /* "columns": makes a missing table */
	size_t n_types;
	char **key; /* n_key columns */
	size_t n_key;
	bool key_is_concat;	    /* written "concat(a,b)": compared as one text */
	char **pre_sql, **post_sql; /* n_pre, n_post */
	size_t n_pre, n_post;
	struct receiver_pair *fields; /* fDict */
	size_t n_fields;
	char **s_fields;
	size_t n_s_fields;
	struct receiver_auto *autos;
	size_t n_autos;
	unsigned ops; /* bits 1 << enum operation */
	bool upsert, allow_empty, ignore_unknown, empty_is_null;
	int64_t max_rows;
	int64_t timeout_s;
	bool api_rows, api_file; /* "apis" */
	bool catalogue;		 /* list the table as a dataset */
	json_object *geometry; /* {"lon","lat"} or {"wkt"}, "srs"; NULL = none (with "catalogue") */
	json_object *file;     /* file keys of 7.2 with their defaults filled in */
	json_object *config;   /* as it was given, for showing and editing */
};

/*
 * Read and check a configuration: every key, every value; SmartChart's "dataset={…}" prefix is
 * taken by receiver_text.  RECORD as in store/receivers.h: {"id","name","enabled","config":{…}}.
 * Owns:   caller frees *RET with receiver_free.
 * Errors: false: R->what names the key and what is wrong with it.
 */
bool receiver_read(const json_object *record, struct receiver **ret, struct refusal *r);
void receiver_free(struct receiver *);
/* The configuration object of a pasted text.  Caller frees. */
bool receiver_text(const char *text, size_t len, json_object **ret_config, struct refusal *r);
/* What a request's "update" says: "0", "1", "2", NULL = insert.  False: none of these. */
bool receiver_operation(const char *update, enum operation *ret);
/* "text", "integer", …, and the other way round; TYPE__MAX: none of them. */
extern const char *const receiver_type_names[TYPE__MAX];
enum column_type receiver_type(const char *word);
/* Words of autoDict and sFields that are filled in: "now()", "uuid()", …, in any case. */
bool receiver_filled(const char *word, size_t len, enum auto_kind *ret);
/* 1..64 letters of any script, digits, "_-.", not digits only. */
bool receiver_name_ok(const char *name);

#endif
