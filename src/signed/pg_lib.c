#include "signed/pg_lib.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static struct pg_lib lib; /* written once, under ONCE */
static bool loaded;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void)
{
	static const char *const names[] = {
#define X(name) #name,
	    PG_FUNCTIONS(X)
#undef X
	};
	void *const places[] = {
#define X(name) &lib.name,
	    PG_FUNCTIONS(X)
#undef X
	};
	void *handle = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);

	if (handle == NULL)
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		void *found = dlsym(handle, names[i]);

		if (found == NULL)
			return;
		memcpy(places[i], &found, sizeof(found));
	}
	loaded = true;
}

const struct pg_lib *pg_lib(void)
{
	(void)pthread_once(&once, load);
	return loaded ? &lib : NULL;
}
