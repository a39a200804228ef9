/*
 * Words of queries.  Source: contracts/datas.md 4, 6.
 */
#include "catalog/item_ask.h"

#include <string.h>
#include "base/text.h"

static const struct {
	const char *word;
	const char *column;
	bool number;
} orders[ITEM_ORDER__MAX] = {
    [ITEM_BY_ID] = {"ID", "id", true},
    [ITEM_BY_CREATETIME] = {"CREATETIME", "created", true},
    [ITEM_BY_DOWNLOADCOUNT] = {"DOWNLOADCOUNT", "downloads", true},
    [ITEM_BY_FILENAME] = {"FILENAME", "file_key", false},
    [ITEM_BY_LASTMODIFIEDTIME] = {"LASTMODIFIEDTIME", "changed", true},
    [ITEM_BY_NICKNAME] = {"NICKNAME", "nick_key", false},
    [ITEM_BY_SERVICESTATUS] = {"SERVICESTATUS", "service", false},
    [ITEM_BY_SIZE] = {"SIZE", "size", true},
    [ITEM_BY_STATUS] = {"STATUS", "status", false},
    [ITEM_BY_TYPE] = {"TYPE", "type", false},
    [ITEM_BY_USERNAME] = {"USERNAME", "owner_key", false},
};

bool item_order_of(const char *word, enum item_order *ret)
{
	for (enum item_order o = 0; o < ITEM_ORDER__MAX; o++) {
		if (text_ieq(word, orders[o].word)) {
			*ret = o;
			return true;
		}
	}
	if (!text_ieq(word, "UPDATETIME"))
		return false;
	*ret = ITEM_BY_LASTMODIFIEDTIME;
	return true;
}

const char *ask_column(enum item_order order)
{
	return orders[order].column;
}

bool ask_is_number(enum item_order order)
{
	return orders[order].number;
}

bool item_scope_of(const char *word, enum item_scope *ret)
{
	static const struct {
		const char *word;
		enum item_scope scope;
	} scopes[] = {
	    {"ALL", ITEM_SCOPE_ALL},	       {"ALL_RES", ITEM_SCOPE_ALL},
	    {"PUBLIC", ITEM_SCOPE_PUBLIC},     {"PUBLIC_RES", ITEM_SCOPE_PUBLIC},
	    {"MY", ITEM_SCOPE_MINE},	       {"MY_RES", ITEM_SCOPE_MINE},
	    {"MYGROUP", ITEM_SCOPE_MYGROUPS},  {"MYGROUP_RES", ITEM_SCOPE_MYGROUPS},
	    {"MYDEPARTMENT", ITEM_SCOPE_NONE}, {"MYDEPARTMENT_RES", ITEM_SCOPE_NONE},
	    {"SHARETOME", ITEM_SCOPE_SHARED},  {"SHARETOME_RES", ITEM_SCOPE_SHARED},
	};

	for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++) {
		if (text_ieq(word, scopes[i].word)) {
			*ret = scopes[i].scope;
			return true;
		}
	}
	return false;
}
