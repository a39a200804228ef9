/* A store in a folder of its own under /tmp, for the tests of store/. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "store/store.h"

/* A test of many crashes needs no disk: nothing here cuts the power. */
#ifndef FIXTURE_ROOT
#define FIXTURE_ROOT "/tmp"
#endif

struct fixture {
	struct config config;
	struct store *store;
	char dir[64];
	char regions[96];
};

static inline void fixture_open(struct fixture *f)
{
	struct error error = {0};

	if (store_open(&f->config, true, &f->store, &error) != ERR_OK)
		fail_msg("store_open: %s", error.text);
}

static inline void fixture_close(struct fixture *f)
{
	store_close(f->store);
	f->store = NULL;
}

static inline int fixture_setup(void **state)
{
	struct fixture *f = mem_alloc(sizeof(*f));

	(void)snprintf(f->dir, sizeof(f->dir), FIXTURE_ROOT "/store-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->regions, sizeof(f->regions), "/dev/shm/%s.regions",
		       strrchr(f->dir, '/') + 1);
	f->config = (struct config){.data_dir = f->dir,
				    .store_regions = f->regions,
				    .allow_root = true,
				    .store_wait_ms = 5000,
				    .store_hold_s = 30,
				    .store_ballast = MIB,
				    .keys_per_user = 3,
				    .login_failures = 10,
				    .login_idle_s = 3600,
				    .login_max_s = 86400,
				    .upload_tombstone_ttl_s = 3600};
	fixture_open(f);
	*state = f;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	store_close(f->store);
	(void)fs_remove_tree(AT_FDCWD, f->dir, NULL);
	(void)fs_remove_tree(AT_FDCWD, f->regions, NULL);
	free(f);
	return 0;
}

/*
 * Berkeley DB leaks what a panicked handle held (store.md 1): known, and bounded by the eight
 * drops.
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libdb-5.3.so";
}

/* A pass that must have the result WANT. */
static inline void run_want(struct fixture *f, enum pass_kind kind, pass_fn *fn, void *arg,
			    enum err want)
{
	struct error error = {0};
	enum err err = store_pass(f->store, kind, "test", fn, arg, &error);

	if (err != want)
		fail_msg("pass: %s instead of %s: %s", err_name(err), err_name(want), error.text);
}

static inline void run(struct fixture *f, enum pass_kind kind, pass_fn *fn, void *arg)
{
	run_want(f, kind, fn, arg, ERR_OK);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

#endif
