/*
 * The configuration: slipway.conf (INI) over defaults.  Read once, then constant.
 * Source: design.md, settled names.
 */
#ifndef SLIPWAY_BASE_CONFIG_H
#define SLIPWAY_BASE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/err.h"
#include "base/limits.h"

enum upload_sync { UPLOAD_SYNC_FULL, UPLOAD_SYNC_NONE };
enum mail_method { MAIL_NONE, MAIL_SENDMAIL, MAIL_SMTP };
enum sendfile { SENDFILE_NONE, SENDFILE_X_SENDFILE, SENDFILE_X_ACCEL };

/* Where a setting comes from; anything above 0 is a line of the file. */
enum {
	CONFIG_DEFAULT = 0,
	CONFIG_OPTION = -1 /* command line, environment */,
	CONFIG_FOUND = -2 /* looked for */
};

struct config_target;

struct config {
/* [section] key; see limits.h */
#define X(field, section, key, def, least, most) int64_t field;
	LIMITS(X)
#undef X
	char *path;		       /* the file that was read, NULL = none */
	int *origins;		       /* of each row of config_table.c */
	struct config_target *targets; /* n_targets: section [target], see config_target.h */
	size_t n_targets;
	char *data_dir;	       /* absolute */
	char *template_dir;    /* absolute: templates/ */
	char *static_dir;      /* absolute: static/ */
	char *leaflet_dir;     /* Debian's libjs-leaflet */
	char *program_dir;     /* where slipway-worker and slipway-geo stand */
	char *public_url;      /* "" or https://host[/mount] without trailing slash */
	char *mount;	       /* server.mount: NULL = find out */
	char *trusted_proxies; /* space-separated addresses, "" = none */
	char *cors_origins;    /* space-separated, "" = none */
	char *log_file;	       /* NULL = standard error */
	/* metrics.address: who may read /metrics without a login, "" = nobody */
	char *metrics_address;
	bool log_json;		/* log.format = json */
	char *store_regions;	/* "auto" or a path */
	char *tile_url;		/* page.tile_url, "" = no background map */
	char *compat_workspace; /* "geonode" */
	char *crs_favourites;	/* "EPSG:3857 EPSG:4490 EPSG:4214 EPSG:4610" */
	char *prefer_charset;	/* "" or a canonical charset */
	/* "HFA JP2OpenJPEG NITF" as the administrator enables them, "" */
	char *extra_drivers;
	char *gws_chunk_commands;  /* gws.chunk_commands: "uploadChunk" */
	char *gws_finish_commands; /* gws.finish_commands: "uploadFinish" */
	char *iserver_root;	   /* NULL = <data_dir>/files; "%u" in it = login name */
	char *iserver_denied;	   /* iserver.denied_files: extensions with their dots */
	char *iserver_zip_names;   /* charset of entry names that are not UTF-8: "GB18030" */
	bool iserver_overwrite;	   /* iserver.overwrite */
	/* iserver.file_paths = absolute: real paths instead of ${fileManagerWorkDir} */
	bool iserver_absolute;
	bool iportal_anonymous; /* iportal.anonymous */
	bool iportal_classic;	/* iportal.types = classic */
	/* iportal.service: "WFS200=https://maps.example.org/ows?map={id} …", "" = none */
	char *iportal_services;
	bool signed_enabled; /* signed.enabled */
	/* signed.http_status = body: HTTP's status is that of the body */
	bool signed_status;
	/* signed.path_prefix: in front of the paths we see, "" = nothing */
	char *signed_path_prefix;
	char *mail_sendmail; /* mail.sendmail: program of the MTA */
	/* mail.smtp_url: smtp:// (STARTTLS is required) or smtps:// host[:port], "" = none */
	char *mail_smtp_url;
	char *mail_smtp_user;	  /* mail.smtp_user, "" = no login */
	char *mail_smtp_password; /* mail.smtp_password_file, NULL = none */
	/* mail.smtp_ca_file: certificates to trust, NULL = the system's */
	char *mail_smtp_ca;
	char *mail_from;    /* mail.from: an address, "" = slipway@<host> */
	char *mail_domains; /* mail.allow_domains: of receivers of mail, "" = any */
	enum mail_method mail_method;
	enum upload_sync upload_sync;
	enum sendfile sendfile;
	bool interim; /* server.interim */
	bool hsts;    /* server.hsts */
	bool anonymous_uploads;
	bool anonymous_read; /* strangers see public datasets */
	bool remote_user;    /* login.remote_user: the web server's own logins count */
	bool read_only;	     /* site.read_only */
	bool time_enabled;
	bool async_import;	/* wizard.async, default on */
	bool compat_get_run;	/* default on */
	bool compat_get_delete; /* default off */
	bool compat_cors_any;
	bool worker_spawn; /* start slipway-worker on demand, default on */
	/* store.below_document_root: data_dir may lie there, behind a deny rule */
	bool below_root;
	char *first_token; /* login.first_token_sha256, "" = none */
	/* serve drops capabilities instead of the uid: see admin/serve */
	bool allow_root;
	int64_t jail_min_level; /* 1..3, default 2 */
	int64_t threads;	/* server.threads, default 16 */
	int64_t processes;	/* server.processes for `serve`, default 2 */
};

/*
 * Read FILE (NULL: $SLIPWAY_CONF, then slipway.conf beside the program, then .slipway.conf in the
 * home folder (for suexec), then /etc/slipway/slipway.conf, then etc/slipway/slipway.conf of the
 * prefix the program is installed under, then none) and let DATA_DIR (may be NULL) win over its
 * data_dir.  ARGV0 finds the program's own folder.
 * Owns:   caller frees *RET with config_free.
 * Errors: ERR_BAD_REQUEST with file and line in ERROR: unknown section or key, bad value.
 */
enum err config_load(const char *file, const char *data_dir, const char *argv0, struct config **ret,
		     struct error *error);
void config_free(struct config *);

/*
 * Every slip of FILE, one line each ("FILE:LINE: what") to OUT; *RET_SLIPS counts them.
 * Errors: ERR_BAD_REQUEST when it cannot be read.
 */
enum err config_check(const char *file, FILE *out, int *ret_slips, struct error *error);

/*
 * Print every setting as INI with its value and, as a comment, where it comes from: for `slipway
 * config`.
 */
void config_print(const struct config *, FILE *out);

/*
 * The path of slipway.fcgi, beside the other programs or in the cgi-bin of the same prefix.  Caller
 * frees.
 */
char *config_front(const struct config *);

#endif
