/*
 * The inside of the web servers' table.
 */
#ifndef SLIPWAY_ADMIN_WEB_INT_H
#define SLIPWAY_ADMIN_WEB_INT_H

#include <stdio.h>
#include "admin/web.h"

typedef enum err web_print_fn(const struct web *, const struct web_site *, const char *shipped,
			      FILE *out, struct error *);

struct web {
	const char *name; /* the word for --web */
	const char *program;
	const char *package; /* of Debian */
	const char *module;  /* another file it needs, absolute; NULL = none */
	const char *module_package;
	const char *shipped; /* what is included: "nginx/slipway.conf" */
	bool starts_fronts;
	bool bound; /* its one thread stays on one processor: see wire_settle */
	bool not_as_root;
	const char *args[5]; /* %d in one stands for the private folder */
	/* Print what stands around the included file. */
	web_print_fn *print;
};

web_print_fn web_print_proxy, web_print_fcgid, web_print_cgi;

#endif
