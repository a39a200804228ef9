/*
 * The web servers `slipway serve` can stand behind, each run from the very file an operator would
 * include: what differs from site to site comes from a small configuration around it. Source:
 * contracts/front-ends.md 2.
 */
#ifndef SLIPWAY_ADMIN_WEB_H
#define SLIPWAY_ADMIN_WEB_H

#include "base/config.h"

#define WEB_ARGS 12 /* words of a command, with the NULL behind them */

/* What a web server must know of this run. */
struct web_site {
	const struct config *config;
	const char *address; /* "127.0.0.1", "::1" */
	const char *port;
	const char *mount; /* "" or "/slipway" */
	const char *dir;   /* private folder: front.sock, generated files */
};

struct web;

/* By its word for --web; NULL = there is none of that name. */
const struct web *web_find(const char *name);
/* All words for --web, with ", " between them.  Caller frees. */
char *web_names(void);
/* "" or "/a/b.cgi" of what --mount says ("/", "/a/b.cgi", "/a/"); NULL: not fit for every server's
 * file.  Caller frees. */
char *web_mount(const char *said);

/* "127.0.0.1:8080", "[::1]:8080".  Caller frees. */
char *web_listen(const struct web_site *);

/* Does it start the front's processes itself, over a socket of its own or one for each request? */
bool web_starts_fronts(const struct web *);

/* Is it to stay on one processor? */
bool web_is_bound(const struct web *);

/*
 * Is everything there?  Asked before anything is made.
 * Errors: ERR_UNAVAILABLE: names the Debian package, or the shipped file that is missing.
 */
enum err web_check(const struct web *, const struct config *, struct error *);
/*
 * Write its configuration into SITE->dir.
 * Errors: ERR_BAD_REQUEST: a path with quotes; ERR_UNAVAILABLE: it refuses to run as root; ERR_IO.
 */
enum err web_prepare(const struct web *, const struct web_site *, struct error *);
/* The command that runs it in the foreground.  Owns: words are borrowed until web_command_done. */
void web_command(const struct web *, const struct web_site *, char *argv[WEB_ARGS]);
void web_command_done(char *argv[WEB_ARGS]);

#endif
