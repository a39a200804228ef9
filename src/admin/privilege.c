#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "admin/privilege.h"
#include "base/mem.h"

/* Can UID reach what it needs?  Asked in a child, as that user. */
static bool can_reach(const struct config *c, uid_t uid, gid_t gid)
{
	CLEAN_FREE char *front = config_front(c);
	pid_t pid = fork();
	if (pid == 0) {
		bool good = setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 &&
			    setresuid(uid, uid, uid) == 0 &&
			    access(c->data_dir, R_OK | W_OK | X_OK) == 0 &&
			    access(front, X_OK) == 0 && access(c->template_dir, R_OK | X_OK) == 0 &&
			    access(c->static_dir, R_OK | X_OK) == 0;
		_exit(good ? 0 : 1);
	}
	int status = 1;
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static uid_t give_uid;
static gid_t give_gid;

static int give_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return lchown(path, give_uid, give_gid);
}

/* Hand the tree to the user: only one that is empty or already Slipway's. */
static bool give_tree(const char *dir, uid_t uid, gid_t gid)
{
	give_uid = uid;
	give_gid = gid;
	return nftw(dir, give_one, 16, FTW_PHYS | FTW_MOUNT) == 0;
}

static bool drop_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
	for (int cap = 0; cap <= 63; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	/*
	 * Programs started by uid 0 would get them back: no_new_privs and the empty bounding set
	 * forbid it.
	 */
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_capset, &head, none) == 0;
}

static bool become(uid_t uid, gid_t gid)
{
	const struct passwd *pw = getpwuid(uid);
	/*
	 * Root's own is closed to him, and libpq gives up when it may not look for a certificate
	 * there.
	 */
	if ((pw != NULL ? setenv("HOME", pw->pw_dir, 1) : unsetenv("HOME")) != 0)
		return false;
	return setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 &&
	       setresuid(uid, uid, uid) == 0;
}

enum err privilege_drop(const struct config *c, bool give, struct error *error)
{
	struct stat st;
	if (geteuid() != 0)
		return ERR_OK;
	if (stat(c->data_dir, &st) != 0)
		return error_errno(error, ERR_IO, "%s", c->data_dir);
	if (st.st_uid != 0)
		return become(st.st_uid, st.st_gid) ? ERR_OK : error_errno(error, ERR_IO, "setuid");
	const struct passwd *pw = give ? getpwnam("www-data") : NULL;
	if (pw != NULL && pw->pw_uid != 0) {
		uid_t uid = pw->pw_uid;
		gid_t gid = pw->pw_gid;
		/*
		 * The directory alone first: whether the rest may be handed over shows only then.
		 */
		if (chown(c->data_dir, uid, gid) == 0 && can_reach(c, uid, gid) &&
		    give_tree(c->data_dir, uid, gid))
			return become(uid, gid) ? ERR_OK : error_errno(error, ERR_IO, "setuid");
		(void)give_tree(c->data_dir, 0, 0);
	}
	return drop_capabilities() ? ERR_OK : error_errno(error, ERR_IO, "capset");
}
