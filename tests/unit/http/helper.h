/* What the tests of http/ share: a configuration of defaults, requests made of memory. */
#ifndef SLIPWAY_TESTS_HTTP_HELPER_H
#define SLIPWAY_TESTS_HTTP_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "http/form.h"
#include "http/wire.h"

#define X(field, section, key, def, least, most) .field = (def),
#define TEST_CONFIG                                                                                \
	{                                                                                          \
		LIMITS(X).data_dir = (char *)"/nowhere", .public_url = (char *)"",                 \
		.trusted_proxies = (char *)"", .cors_origins = (char *)"", .tile_url = (char *)"", \
		.threads = 4                                                                       \
	}

#define ENV_MOST 32

/* A request on a memory wire, and its answer. */
struct test_request {
	struct config config;
	char *env[ENV_MOST];
	size_t n_env;
	struct wire *wire;
	struct req req;
	char *out;
	size_t out_len;
	FILE *out_file;
};

static inline void test_env(struct test_request *t, const char *name, const char *value)
{
	assert_true(t->n_env + 1 < ENV_MOST);
	t->env[t->n_env++] = mem_printf("%s=%s", name, value);
}

/* Begin with METHOD and URI below mount "" on lighttpd's model: PATH_INFO is the decoded path. */
static inline void test_begin(struct test_request *t, const char *method, const char *path,
			      const char *query)
{
	const struct config defaults = TEST_CONFIG;

	memset(t, 0, sizeof(*t));
	t->config = defaults;
	test_env(t, "REQUEST_METHOD", method);
	test_env(t, "SCRIPT_NAME", "");
	test_env(t, "PATH_INFO", path);
	CLEAN_FREE char *uri = mem_printf("%s%s%s", path, *query != '\0' ? "?" : "", query);
	test_env(t, "REQUEST_URI", uri);
	test_env(t, "QUERY_STRING", query);
	test_env(t, "REMOTE_ADDR", "192.0.2.7");
}

/* Parse; BODY is borrowed until test_end. */
static inline void test_init(struct test_request *t, const void *body, size_t len)
{
	t->out_file = open_memstream(&t->out, &t->out_len);
	t->wire = wire_of_memory((const char *const *)t->env, body, len, t->out_file);
	req_init(&t->req, t->wire, &t->config);
}

static inline void test_end(struct test_request *t)
{
	req_done(&t->req);
	wire_free(t->wire);
	if (t->out_file != NULL)
		(void)fclose(t->out_file);
	free(t->out);
	for (size_t i = 0; i < t->n_env; i++)
		free(t->env[i]);
}

#endif
