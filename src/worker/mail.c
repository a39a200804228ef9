#include "worker/mail.h"

#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/words.h"
#include "store/accounts.h"
#include "store/mails.h"

#define CLAIM_MS  (10LL * 60 * 1000) /* a mail whose sender was killed is tried again then */
#define LOOK_S	  2		     /* between two looks at the queue */
#define BAD_SHOWN 20

static const int64_t later_ms[] = {60 * 1000, 5 * 60 * 1000, 30 * 60 * 1000};
#define N_LATER (int64_t)(sizeof(later_ms) / sizeof(later_ms[0]))

/* ---- writing */

static void line(FILE *f, const struct worker *w, const char *key, const json_object *args)
{
	CLEAN_FREE char *text = words_fill(w->words, LANG_EN, key, args);

	/* Values are the client's: a line stays a line. */
	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7F)
			*c = ' ';
	(void)fprintf(f, "%s\r\n", text);
}

static void bad_lines(FILE *f, const struct worker *w, const json_object *task)
{
	json_object *b = NULL, *bad = json_arr(task, "bad");
	int64_t total = json_int(json_obj(task, "rows"), "bad", 0);
	size_t n = 0;

	JSON_EACH(b, bad)
	if (n++ < BAD_SHOWN)
		line(f, w, "mail.bad", b);
	if (total > (int64_t)n) {
		CLEAN_JSON json_object *more = json_object_new_object();

		line(f, w, "mail.bad.more", json_set_int(more, "count", total - (int64_t)n));
	}
}

static void warning_lines(FILE *f, const struct worker *w, const json_object *task)
{
	json_object *p = NULL;

	JSON_EACH(p, json_arr(task, "warnings"))
	{
		CLEAN_FREE char *text = words_problem(w->words, LANG_EN, p);
		CLEAN_JSON json_object *args = json_object_new_object();

		line(f, w, "mail.warning", json_set_str(args, "text", text));
	}
}

static char *text_of(const struct worker *w, const json_object *task)
{
	bool done = strcmp(json_str(task, "state", ""), "done") == 0;
	const json_object *rows = json_obj(task, "rows");
	CLEAN_JSON json_object *link = json_object_new_object();
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		mem_die();
	line(f, w, done ? "mail.head.done" : "mail.head.failed", task);
	line(f, w, "mail.receiver", task);
	if (*json_str(task, "filename", "") != '\0')
		line(f, w, "mail.file", task);
	if (done)
		line(f, w, "mail.rows", rows);
	else
		line(f, w, "mail.message", task);
	bad_lines(f, w, task);
	warning_lines(f, w, task);
	if (*w->config->public_url != '\0') {
		CLEAN_FREE char *url = mem_printf("%s/tasks/%lld", w->config->public_url,
						  (long long)json_int(task, "id", 0));

		line(f, w, "mail.link", json_set_str(link, "url", url));
	}
	if (fclose(f) != 0)
		mem_die();
	return text;
}

json_object *mail_compose(const struct worker *w, const json_object *task,
			  const json_object *forever)
{
	const json_object *lists[] = {json_arr(task, "mail"), forever};
	bool done = strcmp(json_str(task, "state", ""), "done") == 0;
	json_object *mails = json_object_new_array(), *to = NULL;

	if (w->config->mail_method == MAIL_NONE || json_len(lists[0]) + json_len(lists[1]) == 0)
		return mails;
	/* The subject is part of the interface: programs sort by it. */
	CLEAN_FREE char *subject =
	    mem_printf("Slipway: import %s %s (task %lld)", json_str(task, "receiver", ""),
		       done ? "done" : "failed", (long long)json_int(task, "id", 0));
	CLEAN_FREE char *text = text_of(w, task);

	for (size_t i = 0; i < 2; i++)
		JSON_EACH(to, lists[i])
		{
			json_object *m = json_object_new_object();

			json_set_str(m, "to", json_object_get_string(to));
			json_set_str(m, "subject", subject);
			json_set_str(m, "text", text);
			json_object_array_add(mails,
					      json_set_int(m, "task", json_int(task, "id", 0)));
		}
	return mails;
}

enum err mail_queue(struct pass *p, const json_object *mails, const char *account,
		    size_t *ret_dropped)
{
	json_object *m = NULL, *record = NULL;
	int64_t now = clock_now_ms(), max = 0;
	enum err err;

	*ret_dropped = 0;
	if (json_len(mails) == 0)
		return ERR_OK;
	err = accounts_get(p, account, &record);
	if (err != ERR_OK && err != ERR_NOT_FOUND)
		return err;
	max = json_int(record, "mailMax", 100);
	json_object_put(record);
	err = ERR_OK;
	JSON_EACH(m, mails)
	{
		/* A retried pass begins anew: its first try stored nothing. */
		CLEAN_JSON json_object *mail = json_copy(m);

		err = mails_take(p, account, max, now);
		if (err == ERR_RATE)
			++*ret_dropped;
		else if (err == ERR_OK)
			err = mails_add(p, mail);
		if (err != ERR_OK && err != ERR_RATE)
			return err;
	}
	return ERR_OK;
}

/* ---- the queue */

struct claim {
	json_object *mail;
	int64_t id, due;
	size_t n;
};

static enum err claim_pass(struct pass *p, void *arg)
{
	struct claim *c = arg;
	int64_t now = clock_now_ms();

	json_object_put(c->mail);
	c->mail = NULL;
	return mails_claim(p, now, now + CLAIM_MS, &c->mail);
}

static enum err end_pass(struct pass *p, void *arg)
{
	const struct claim *c = arg;
	enum err err = c->due > 0 ? mails_later(p, c->id, c->due) : mails_delete(p, c->id);

	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err count_pass(struct pass *p, void *arg)
{
	return mails_count(p, &((struct claim *)arg)->n);
}

bool mail_waits(struct worker *w)
{
	struct claim c = {0};

	return store_pass(w->store, PASS_READ, "mails", count_pass, &c, NULL) == ERR_OK && c.n > 0;
}

bool mail_one(struct worker *w)
{
	struct claim c = {0};
	struct error error = {0};

	if (!mail_waits(w) ||
	    store_pass(w->store, PASS_SYNC, "mail", claim_pass, &c, NULL) != ERR_OK) {
		json_object_put(c.mail);
		return false;
	}
	int64_t tries = json_int(c.mail, "tries", 1);
	enum err err = mail_send(w->config, c.mail, &error);

	c.id = json_int(c.mail, "id", 0);
	if (err != ERR_OK && tries <= N_LATER)
		c.due = clock_now_ms() + later_ms[tries - 1];
	log_line(err == ERR_OK ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, NULL,
		 "mail %lld of task %lld: %s%s", (long long)c.id,
		 (long long)json_int(c.mail, "task", 0),
		 err == ERR_OK ? "sent"
		 : c.due > 0   ? "tried in vain, again later: "
			       : "given up: ",
		 error.text);
	error = (struct error){0};
	if (store_pass(w->store, PASS_SYNC, "mail end", end_pass, &c, &error) != ERR_OK)
		log_line(LOG_LEVEL_ERROR, NULL, "mail %lld: %s", (long long)c.id, error.text);
	json_object_put(c.mail);
	return true;
}

void *mail_loop(void *arg)
{
	struct worker *w = arg;

	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		struct timespec until;
		bool sent;

		pthread_mutex_unlock(&w->lock);
		sent = mail_one(w);
		pthread_mutex_lock(&w->lock);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += LOOK_S;
		if (!sent && !w->stop)
			pthread_cond_timedwait(&w->wake, &w->lock, &until);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}
