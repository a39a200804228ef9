#include "admin/selftest_ask.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#define TEXT_MAX  (1 << 20)
#define TIMEOUT_S 120L
#define CONNECT_S 10L
#define PAUSE_MS  1000
#define SETTLE_MS 500 /* what was sent has arrived before the connection is cut */

struct sending {
	const struct ask *ask;
	int64_t sent;
	bool paused;
};

static size_t give(char *buf, size_t size, size_t n, void *arg)
{
	struct sending *s = arg;
	const struct ask *a = s->ask;
	int64_t stop = a->cut_at > 0 ? a->cut_at : a->pause_at > s->sent ? a->pause_at : a->size;
	int64_t take = stop - s->sent;

	if (a->cut_at > 0 && s->sent == a->cut_at) {
		clock_sleep_ms(SETTLE_MS);
		return CURL_READFUNC_ABORT;
	}
	if (a->pause_at > 0 && s->sent == a->pause_at && !s->paused) {
		clock_sleep_ms(PAUSE_MS);
		s->paused = true;
	}
	if (take > (int64_t)(size * n))
		take = (int64_t)(size * n);
	if (a->text != NULL)
		memcpy(buf, a->text + s->sent, (size_t)take);
	else
		memset(buf, 0, (size_t)take);
	s->sent += take;
	return (size_t)take;
}

struct taking {
	struct got *got;
	size_t len;
};

static size_t take(char *p, size_t size, size_t n, void *arg)
{
	struct taking *t = arg;
	size_t len = size * n;

	if (t->len + len > TEXT_MAX)
		return 0;
	t->got->text = mem_resize(t->got->text, t->len + len + 1, 1);
	memcpy(t->got->text + t->len, p, len);
	t->len += len;
	t->got->text[t->len] = '\0';
	return len;
}

static size_t take_header(char *p, size_t size, size_t n, void *arg)
{
	struct got *g = arg;
	CLEAN_FREE char *line = mem_strndup(p, size * n);
	char *colon = strchr(line, ':');

	line[strcspn(line, "\r\n")] = '\0';
	if (colon == NULL)
		return size * n;
	*colon = '\0';
	const char *value = colon + 1 + strspn(colon + 1, " ");
	if (strcasecmp(line, "X-Slipway") == 0)
		g->ours = strcmp(value, "1") == 0;
	else if (strcasecmp(line, "X-Slipway-Method") == 0)
		snprintf(g->method, sizeof(g->method), "%s", value);
	else if (strcasecmp(line, "Location") == 0)
		snprintf(g->location, sizeof(g->location), "%s", value);
	else if (strcasecmp(line, "Upload-Offset") == 0)
		(void)text_int(value, 0, INT64_MAX, &g->offset);
	else if (strcasecmp(line, "Date") == 0)
		g->date_ms = clock_parse_http(value);
	return size * n;
}

/* "https://host:port" of URL.  Caller frees. */
static char *origin_of(const char *url)
{
	const char *host = strstr(url, "://");
	return host == NULL ? mem_strdup(url)
			    : mem_strndup(url, (size_t)(host + 3 - url) + strcspn(host + 3, "/"));
}

static struct curl_slist *headers_of(const struct site *site, const struct ask *a)
{
	CLEAN_FREE char *key = mem_printf("X-Slipway-Key: %s", site->token);
	CLEAN_FREE char *lang = mem_printf("Accept-Language: %s", site->lang);
	struct curl_slist *list =
	    curl_slist_append(NULL, "Expect:"); /* the body goes at once, as browsers send it */

	list = curl_slist_append(list, "Accept: application/json");
	list = curl_slist_append(list, lang);
	if (!a->foreign)
		list = curl_slist_append(list, key);
	if (a->size == 0 && strcmp(a->method, "POST") == 0)
		list = curl_slist_append(list, "Content-Length: 0");
	if (a->chunked)
		list = curl_slist_append(list, "Transfer-Encoding: chunked");
	for (size_t i = 0; i < sizeof(a->headers) / sizeof(*a->headers) && a->headers[i] != NULL;
	     i++)
		list = curl_slist_append(list, a->headers[i]);
	if (list == NULL)
		abort();
	return list;
}

static void set_up(CURL *curl, struct sending *s)
{
	const struct ask *a = s->ask;
	bool head = strcmp(a->method, "HEAD") == 0;

	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
	if (a->size > 0) {
		curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE,
				 (curl_off_t)(a->chunked ? -1 : a->size));
		curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
		curl_easy_setopt(curl, CURLOPT_READDATA, s);
	} else if (head) {
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, a->method);
	/* A server that was cut off or that answered early is in no state to be asked again. */
	curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, a->size > 0 ? 1L : 0L);
}

struct got site_ask(struct site *site, const struct ask *a)
{
	struct got got = {.offset = -1};
	struct sending sending = {.ask = a};
	struct taking taking = {.got = &got};
	CLEAN_FREE char *origin = origin_of(site->url);
	CLEAN_FREE char *url = mem_printf("%s%s", a->foreign ? origin : site->url, a->path);
	struct curl_slist *headers = headers_of(site, a);

	if (site->curl == NULL)
		site->curl = curl_easy_init();
	if (site->curl == NULL)
		abort();
	set_up(site->curl, &sending);
	curl_easy_setopt(site->curl, CURLOPT_URL, url);
	curl_easy_setopt(site->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(site->curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(site->curl, CURLOPT_WRITEDATA, &taking);
	curl_easy_setopt(site->curl, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(site->curl, CURLOPT_HEADERDATA, &got);
	/* An early answer may end with an error of the sending: what counts is what came back. */
	CURLcode code = curl_easy_perform(site->curl);
	if (code != CURLE_OK)
		snprintf(got.error, sizeof(got.error), "%s", curl_easy_strerror(code));
	(void)curl_easy_getinfo(site->curl, CURLINFO_RESPONSE_CODE, &got.status);
	curl_slist_free_all(headers);
	if (got.text != NULL)
		(void)json_read(got.text, taking.len, &json_limits_job, &got.json);
	return got;
}

void got_done(struct got *got)
{
	free(got->text);
	json_object_put(got->json);
	*got = (struct got){0};
}

void site_close(struct site *site)
{
	if (site->curl != NULL)
		curl_easy_cleanup(site->curl);
	free(site->url);
	free(site->token);
	*site = (struct site){0};
}
