/*
 * A database to write to and look into, for the tests of the writer: the cases of writer_cases.h
 * run against each kind.
 */
#ifndef TESTS_SIGNED_WRITER_BED_H
#define TESTS_SIGNED_WRITER_BED_H

#include "base/unit.h"
#include "base/clock.h"
#include "base/config_target.h"
#include "base/mem.h"
#include "signed/ds.h"
#include "signed/writer.h"

struct bed {
	struct config config;
	struct config_target target;
	struct targets *targets;
	char *dir;
	const char *target_name; /* "default" or "pg" */
	bool postgres;
	void *db; /* for asking, past the writer */
	/* Rows as "a|b\n", NULL as "~"; "" for none.  Caller frees. */
	char *(*ask)(struct bed *, const char *sql);
	int64_t next_code;
	int64_t kept; /* calls of keep */
	char kept_text[32];
	const char *name; /* of the receiver that writes */
};

/* What the callbacks of an order count on. */
static inline bool bed_codes(void *arg, const char *column, const char *day, int64_t n,
			     int64_t *ret_first)
{
	struct bed *bed = arg;

	assert_non_null(column);
	assert_int_equal(strlen(day), 8);
	*ret_first = bed->next_code;
	bed->next_code += n;
	return true;
}

static inline bool bed_keep(void *arg, const char *text)
{
	struct bed *bed = arg;

	bed->kept++;
	(void)snprintf(bed->kept_text, sizeof(bed->kept_text), "%s", text);
	return true;
}

/* CONFIG without its target, as JSON with ' for ". */
static inline struct receiver *bed_receiver(struct bed *bed, const char *config)
{
	CLEAN_FREE char *text = mem_strdup(config);
	json_object *record = json_object_new_object(), *parsed = NULL;
	struct receiver *receiver = NULL;
	struct refusal r = {0};

	for (char *at = text; *at != '\0'; at++)
		if (*at == '\'')
			*at = '"';
		else if (*at == '`')
			*at = '\'';
	if (!receiver_text(text, strlen(text), &parsed, &r))
		fail_msg("%s: %s", text, r.what);
	json_set_str(parsed, "target", bed->target_name);
	json_set_int(record, "id", 7);
	json_set_str(record, "name", bed->name);
	json_set(record, "config", parsed);
	if (!receiver_read(record, &receiver, &r))
		fail_msg("%s: %s", text, r.what);
	json_object_put(record);
	return receiver;
}

/* Carry out ORDER with the rows of DS: "inserted=1 updated=0 deleted=0" or the refusal. */
static inline char *bed_order(struct bed *bed, struct write_order order, const char *ds)
{
	struct write_counts counts = {-1, -1, -1};
	struct refusal r = {0};
	struct ds *rows = NULL;
	char text[600];

	if (!ds_open(ds, strlen(ds), order.receiver->max_rows, &rows, &r))
		fail_msg("%s: %s", ds, r.what);
	order.rows = ds_rows(rows);
	order.visitor = order.visitor != NULL ? order.visitor : "loader";
	order.stamp_ms = 1700000000000;
	order.codes = bed_codes;
	order.arg = bed;
	if (order.max_bad == 0)
		order.max_bad = 1;
	if (write_rows(bed->targets, &order, &counts, &r))
		(void)snprintf(text, sizeof(text), "inserted=%lld updated=%lld deleted=%lld",
			       (long long)counts.inserted, (long long)counts.updated,
			       (long long)counts.deleted);
	else
		(void)refusal_text(&r, text, sizeof(text));
	if (getenv("BED_REASONS") != NULL && r.reason[0] != '\0')
		print_message("# %s (%s)\n", text, r.reason);
	ds_free(rows);
	return mem_strdup(text);
}

static inline char *bed_write(struct bed *bed, const char *config, enum operation op,
			      const char *ds)
{
	struct receiver *receiver = bed_receiver(bed, config);
	char *text = bed_order(bed, (struct write_order){.receiver = receiver, .op = op}, ds);

	receiver_free(receiver);
	return text;
}

static inline void bed_run(struct bed *bed, const char *sql)
{
	free(bed->ask(bed, sql));
}

#define bed_is(bed, sql, expected)                                                                 \
	do {                                                                                       \
		CLEAN_FREE char *is_ = (bed)->ask(bed, sql);                                       \
		assert_string_equal(is_, expected);                                                \
	} while (0)
#define bed_gives(bed, config, op, ds, expected)                                                   \
	do {                                                                                       \
		CLEAN_FREE char *gives_ = bed_write(bed, config, op, ds);                          \
		assert_string_equal(gives_, expected);                                             \
	} while (0)

#endif
