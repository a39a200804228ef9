/*
 * The slipway command: a table of subcommands, each with the options all share.
 */
#ifndef SLIPWAY_ADMIN_COMMAND_H
#define SLIPWAY_ADMIN_COMMAND_H

#include "store/store.h"

/* One run of a subcommand. */
struct command_run {
	const char *program; /* argv[0] */
	struct config *config;
	struct store *store; /* NULL unless the row wants it */
	int argc;	     /* words after the subcommand, options of its own included */
	char **argv;	     /* argv[0] is the subcommand's last word */
};

enum command_needs {
	NEEDS_NOTHING,
	NEEDS_CONFIG,
	NEEDS_STORE,	      /* made where there is none */
	NEEDS_STORE_AND_FILE, /* and a --config FILE of its own: JSON */
	NEEDS_KEPT,	      /* one that is there */
};

/*
 * What a command that looks for mistakes returns when it cannot look: exit status 2, but it was
 * called rightly.
 */
#define COMMAND_UNREAD (-2)

struct command {
	const char *words; /* "user add" */
	const char *usage; /* what follows the words */
	const char *help;  /* one line */
	enum command_needs needs;
	int (*run)(struct command_run *); /* exit status */
};

int serve_command(struct command_run *);
int user_add_command(struct command_run *);
int user_list_command(struct command_run *);
int user_delete_command(struct command_run *);
int user_password_command(struct command_run *);
int user_manager_command(struct command_run *);
int user_role_command(struct command_run *);
int user_disable_command(struct command_run *);
int user_enable_command(struct command_run *);
int group_add_command(struct command_run *);
int group_delete_command(struct command_run *);
int group_join_command(struct command_run *);
int group_leave_command(struct command_run *);
int group_list_command(struct command_run *);
int dir_add_command(struct command_run *);
int dir_list_command(struct command_run *);
int dir_delete_command(struct command_run *);
int key_add_command(struct command_run *);
int key_list_command(struct command_run *);
int key_delete_command(struct command_run *);
int upload_list_command(struct command_run *);
int upload_show_command(struct command_run *);
int upload_delete_command(struct command_run *);
int upload_gc_command(struct command_run *);
int gc_command(struct command_run *);
int check_command(struct command_run *);
int check_url_command(struct command_run *);
int dump_command(struct command_run *);
/* The catalogue's part of `check`: adds to *RET_FINDINGS; exit status, 0 unless it cannot look. */
int check_catalog(struct command_run *, bool repair, int *ret_findings);
int load_command(struct command_run *);
int backup_command(struct command_run *);
int restore_command(struct command_run *);
int stat_command(struct command_run *);
int config_command(struct command_run *);
int config_check_command(struct command_run *);
int crs_index_command(struct command_run *);
int dataset_list_command(struct command_run *);
int dataset_show_command(struct command_run *);
int dataset_add_command(struct command_run *);
int dataset_set_command(struct command_run *);
int dataset_enable_command(struct command_run *);
int dataset_disable_command(struct command_run *);
int dataset_remove_command(struct command_run *);
int dataset_check_command(struct command_run *);
int dataset_account_list_command(struct command_run *);
int dataset_account_show_command(struct command_run *);
int dataset_account_add_command(struct command_run *);
int dataset_account_set_command(struct command_run *);
int dataset_account_rotate_command(struct command_run *);
int dataset_account_remove_command(struct command_run *);
int dataset_account_import_command(struct command_run *);
int dataset_sign_command(struct command_run *);
int dataset_log_command(struct command_run *);
int task_list_command(struct command_run *);

/* Take SUBJECT ("u:<user>", "g:<group>") out of everything that is shared. */
enum err command_forget(struct command_run *, const char *subject, struct error *error);
/* Print "slipway: …" and return 1. */
int command_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int command_error(const char *what, enum err err, const struct error *error);
/*
 * Make the CRS index below the data directory unless it is newer than PROJ's database.
 * ERR_UNAVAILABLE with ERROR.
 */
enum err crs_index_make(const struct config *, bool always, struct error *error);

#endif
