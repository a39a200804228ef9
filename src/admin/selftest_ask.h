/*
 * One request of the self-test, as no ordinary client sends it: with a pause, cut, or without a
 * length.
 */
#ifndef SLIPWAY_ADMIN_SELFTEST_ASK_H
#define SLIPWAY_ADMIN_SELFTEST_ASK_H

#include "base/json.h"

struct site {
	char *url;	  /* owned: https://host/mount, without a slash at the end */
	char *token;	  /* owned: an administrator's */
	const char *lang; /* Accept-Language */
	void *curl;	  /* the connection, owned */
};

/* What is sent.  Zeros are what most needs. */
struct ask {
	const char *method;	/* "POST" */
	const char *path;	/* below the mount; with LEADS_AWAY the whole path of this host */
	const char *headers[4]; /* "Name: value"; NULL = no more */
	const char *text;	/* the body; NULL = SIZE zeros */
	int64_t size;		/* bytes of body, 0 = none */
	int64_t pause_at;	/* after so many bytes nothing for a second; 0 = no pause */
	int64_t cut_at;		/* the connection ends after so many bytes; 0 = it does not */
	bool chunked;		/* without a length */
	bool foreign;		/* PATH begins at the host, and the token is not sent */
};

/* What came back. */
struct got {
	long status;	    /* 0 = nothing */
	bool ours;	    /* Slipway answered, not the web server */
	char *text;	    /* owned: the body, at most 1 MiB of it */
	json_object *json;  /* owned: the same as an object, NULL = it is none */
	char method[16];    /* X-Slipway-Method */
	char location[512]; /* Location */
	int64_t offset;	    /* Upload-Offset, -1 = none */
	int64_t date_ms;    /* Date, 0 = none */
	char error[256];    /* what the network said */
};

/* Owns: caller calls got_done, and site_close when all is asked. */
struct got site_ask(struct site *, const struct ask *);
void got_done(struct got *);
void site_close(struct site *);

#endif
