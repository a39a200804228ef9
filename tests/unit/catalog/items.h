/*
 * What the tests of data items share.
 */
#ifndef SLIPWAY_TESTS_CATALOG_ITEMS_H
#define SLIPWAY_TESTS_CATALOG_ITEMS_H

#include "catalog/help.h"
#include "catalog/item.h"

static inline int64_t create(struct scratch *s, const char *model_text, const char *entities_text)
{
	CLEAN_JSON json_object *model = model_of(model_text);
	CLEAN_JSON json_object *entities = model_of(entities_text);
	struct error error = {0};
	int64_t id = 0;

	if (catalog_item_create(s->catalog, model, entities, &id, &error) != ERR_OK)
		fail_msg("create: %s", error.text);
	return id;
}

static inline enum err change(struct scratch *s, int64_t id, const char *text,
			      const char *if_status)
{
	CLEAN_JSON json_object *changes = model_of(text);

	return catalog_item_change(s->catalog, id, changes, if_status, NULL);
}

/* The ids of a page as "1 2 3 ", with the total behind a colon. */
static inline char *items_text(struct scratch *s, const struct item_query *q)
{
	CLEAN_JSON json_object *list = NULL;
	struct error error = {0};
	json_object *item;
	size_t total = 0, len = 0;
	char *text = NULL;
	FILE *f;

	if (catalog_items(s->catalog, q, &list, &total, &error) != ERR_OK)
		fail_msg("items: %s", error.text);
	f = open_memstream(&text, &len);
	JSON_EACH(item, list)
	fprintf(f, "%lld ", (long long)json_int(item, "id", 0));
	fprintf(f, ": %zu", total);
	(void)fclose(f);
	return text;
}

#define assert_items(s, expected, ...)                                                             \
	do {                                                                                       \
		struct item_query items_q = {.max = 100, __VA_ARGS__};                             \
		char *items_got = items_text((s), &items_q);                                       \
		assert_string_equal(items_got, (expected));                                        \
		free(items_got);                                                                   \
	} while (0)

#endif
