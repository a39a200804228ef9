/* The files of the tables; those that only follow from others are given up and made anew. */
#include "store/check.h"
#include "store/inside.h"
#include "store/whole.h"

static void say(struct check *c, enum table table, bool lost)
{
	struct error told = {0};

	(void)whole_tell(table, lost, &told);
	check_say(c, "%s", told.text);
}

void check_logs(struct check *c)
{
	struct error told = {0};

	if (whole_check_logs(c->store->place.data_dir, &told) != ERR_OK)
		check_say(c, "%s", told.text);
}

/*
 * What is missing is missed below data_dir, what is damaged is looked for in the copy: there no
 * page is half written.
 */
void check_tables(struct check *c, const char *copy)
{
	for (enum table t = 0; t < TABLE__MAX; t++) {
		if (whole_lost(c->store->place.data_dir, t))
			say(c, t, true);
		else if (whole_damaged(copy, t))
			say(c, t, false);
	}
}

static bool is_spoilt(const struct check *c, enum table table)
{
	const char *dir = c->store->place.data_dir;

	return table_info(table)->derived && (whole_lost(dir, table) || whole_damaged(dir, table));
}

static enum err give_up(void *arg, struct error *error)
{
	struct check *c = arg;
	char log[32];
	enum err err = ERR_OK;

	if (whole_cut_log(c->store->place.data_dir, log)) {
		check_say(c, "db/log/%s was cut short: what was left of it is taken as it is", log);
		err = whole_accept_logs(c->store->place.data_dir, error);
	}

	for (enum table t = 0; err == ERR_OK && t < TABLE__MAX; t++) {
		if (!is_spoilt(c, t))
			continue;
		check_say(c, "table %s was missing or damaged: made anew", table_name(t));
		err = whole_forget(c->store->place.data_dir, t, error);
	}
	return err;
}

enum err check_give_up(struct check *c, struct error *error)
{
	char log[32];
	bool spoilt = whole_cut_log(c->store->place.data_dir, log);

	/* Outside the gate a page may be half written: who is inside looks again. */
	for (enum table t = 0; !spoilt && t < TABLE__MAX; t++)
		spoilt = is_spoilt(c, t);
	return spoilt ? store_alone(&c->store->gate, &c->store->env, give_up, c, error) : ERR_OK;
}
