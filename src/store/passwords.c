/*
 * Names and passwords: what they may be, and the slow work of hashing them, at most two at once on
 * the host.
 */
#include "store/users.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"
#include "store/inside.h"

#define NAME_CHARACTERS 64
#define PASSWORD_MIN	10
#define PASSWORD_MAX	1024
#define SLOTS		2
#define SLOT_WAIT_MS	2000
#define SLOT_STEP_MS	20

bool user_name_ok(const char *name)
{
	size_t len = strlen(name), n = 0;
	CLEAN_FREE char *nfc = NULL;

	if (len == 0 || len >= sizeof(((struct principal *)0)->name) ||
	    (nfc = text_nfc(name)) == NULL || strcmp(nfc, name) != 0)
		return false;
	for (size_t i = 0; i < len; n++) {
		int32_t c;
		size_t step = text_decode(name + i, len - i, &c);

		if (step == 0 || !(text_is_letter(c) || text_is_digit(c) || c == '.' || c == '_' ||
				   c == '-' || c == '@'))
			return false;
		i += step;
	}
	/* "." and ".." would be odd in a path somebody builds one day. */
	return n <= NAME_CHARACTERS && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

const char *user_password_problem(const char *name, const char *password)
{
	CLEAN_FREE char *nfc = strlen(password) <= PASSWORD_MAX ? text_nfc(password) : NULL;
	CLEAN_FREE char *folded = NULL;
	CLEAN_FREE char *folded_name = NULL;

	if (strlen(password) > PASSWORD_MAX)
		return "password_long";
	if (nfc == NULL)
		return "password_not_text";
	if (strlen(nfc) < PASSWORD_MIN)
		return "password_short";
	folded = text_fold(nfc);
	folded_name = text_fold(name);
	if (folded != NULL && folded_name != NULL && strcmp(folded, folded_name) == 0)
		return "password_is_name";
	return NULL;
}

/* A locked byte of locks/passwords, -1 when none came free in time. */
static int take_slot(const struct store *s)
{
	int64_t until = clock_mono_ms() + SLOT_WAIT_MS;
	int fd = openat(s->dir, "locks/passwords", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -1;
	for (;;) {
		if (fs_lock_one(fd, 0, SLOTS) >= 0)
			return fd;
		if (clock_mono_ms() >= until) {
			(void)close(fd);
			errno = EBUSY;
			return -1;
		}
		clock_sleep_ms(SLOT_STEP_MS);
	}
}

/*
 * Hash PASSWORD under SETTING: caller frees; NULL: libcrypt does not like the setting, or has no
 * memory.
 */
static char *run_crypt(const char *password, const char *setting)
{
	struct crypt_data *data = mem_alloc(sizeof(*data));
	char digest[65] = "";
	const char *hash;

	/* libcrypt takes at most 511 bytes: a longer password goes in by its digest. */
	if (strlen(password) >= CRYPT_MAX_PASSPHRASE_SIZE) {
		token_sha256_hex(password, strlen(password), digest);
		password = digest;
	}
	hash = crypt_rn(password, setting, data, (int)sizeof(*data));
	char *ret = hash != NULL && hash[0] == '$' ? mem_strdup(hash) : NULL;

	/* They hold the password. */
	explicit_bzero(data, sizeof(*data));
	explicit_bzero(digest, sizeof(digest));
	free(data);
	return ret;
}

static bool fresh_setting(char setting[CRYPT_GENSALT_OUTPUT_SIZE])
{
	return crypt_gensalt_rn("$y$", 0, NULL, 0, setting, CRYPT_GENSALT_OUTPUT_SIZE) != NULL;
}

/* libcrypt says the same, EINVAL, of a setting it does not know and of memory it does not get. */
static bool crypt_works(void)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	CLEAN_FREE char *hash = fresh_setting(setting) ? run_crypt("", setting) : NULL;

	return hash != NULL;
}

static void wipe(char **text)
{
	if (*text != NULL)
		explicit_bzero(*text, strlen(*text));
	free(*text);
}

enum err user_password_hash(struct store *s, const char *password, char **ret, struct error *error)
{
	__attribute__((cleanup(wipe))) char *nfc = text_nfc(password);
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	CLEAN_FD int slot = -1;
	char *hash;

	if (nfc == NULL || strlen(nfc) > PASSWORD_MAX)
		return error_set(error, ERR_BAD_REQUEST, "a password that is no text");
	slot = take_slot(s);
	if (slot < 0)
		return errno == EBUSY ? error_set(error, ERR_RATE, "both password slots are busy")
				      : error_errno(error, ERR_IO, "locks/passwords");
	hash = fresh_setting(setting) ? run_crypt(nfc, setting) : NULL;
	if (hash == NULL)
		return error_set(error, ERR_SHORT, "libcrypt has no memory for yescrypt");
	*ret = hash;
	return ERR_OK;
}

enum err user_password_check(struct store *s, const char *hash, const char *password, bool *ret)
{
	__attribute__((cleanup(wipe))) char *nfc =
	    strlen(password) <= PASSWORD_MAX ? text_nfc(password) : NULL;
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	CLEAN_FREE char *got = NULL;
	CLEAN_FD int slot = take_slot(s);
	bool real = hash != NULL && hash[0] == '$' && nfc != NULL;

	if (slot < 0)
		return errno == EBUSY ? ERR_RATE : err_of_errno(errno, ERR_IO);
	if (real)
		got = run_crypt(nfc, hash);
	else if (fresh_setting(setting))
		got = run_crypt(nfc != NULL ? nfc : "", setting);
	/*
	 * Nobody's password is wrong because the server lacks memory, and nobody is shut out for
	 * it.
	 */
	if (got == NULL && !crypt_works())
		return ERR_SHORT;
	if (got == NULL && real)
		got = run_crypt(nfc, hash);
	*ret = real && got != NULL && token_equal(got, hash);
	return ERR_OK;
}
