/*
 * The first administrator.
 */
#include "admin/serve_first.h"
#include "base/clock.h"
#include "base/token.h"
#include "store/users.h"

#define FIRST_MS (24LL * 3600 * 1000) /* the one-time link lives a day */

static enum err any_user_pass(struct pass *p, void *arg)
{
	struct serve_first *f = arg;
	json_object *users = NULL;
	enum err err = users_list(p, 1, &users);
	f->needed = err == ERR_OK && json_len(users) == 0;
	json_object_put(users);
	return err;
}

static enum err first_pass(struct pass *p, void *arg)
{
	struct serve_first *f = arg;
	enum err err = any_user_pass(p, f);
	return err == ERR_OK && f->needed ? first_login_set(p, f->token, clock_now_ms() + FIRST_MS)
					  : err;
}

enum err serve_first(const struct config *config, struct serve_first *f, struct error *error)
{
	struct store *store = NULL;
	token_hex(f->token, 32);
	enum err err = store_open(config, false, &store, error);
	if (err == ERR_OK)
		err = store_pass(store, PASS_READ, "users", any_user_pass, f, error);
	/* Only then something is written: with a full disk, what is there is still served. */
	if (err == ERR_OK && f->needed)
		err = store_pass(store, PASS_SYNC, "first", first_pass, f, error);
	store_close(store);
	return err;
}
