/*
 * One mail on its way: a message made of our own headers, given to sendmail or to an SMTP server.
 */
#include <curl/curl.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "worker/mail.h"
#include "base/base64.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"
#include "signed/mailbox.h"

#define LINE_BYTES     76 /* of base64: RFC 2045, 6.8 */
#define WORD_BYTES     42 /* of text in an encoded word: 56 of base64 and 12 around are below 75 */
#define ADDRESS_BYTES  320
#define SENDMAIL_MS    60000
#define CONNECT_S      30L
#define SEND_S	       120L
#define PASSWORD_BYTES 4096

/* ---- the message */

static bool is_plain(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s < 0x20 || *s > 0x7E)
			return false;
	return true;
}

/* A header's text: as it is, or in encoded words (RFC 2047, 2), which hold no line end. */
static void put_header(FILE *f, const char *name, const char *text)
{
	size_t len = strlen(text);

	(void)fprintf(f, "%s:", name);
	if (is_plain(text) && len < LINE_BYTES * 4) {
		(void)fprintf(f, " %s\r\n", text);
		return;
	}
	for (size_t at = 0; at < len;) {
		size_t n = text_cut(text + at, len - at, WORD_BYTES);
		CLEAN_FREE char *word = base64_encode(text + at, n > 0 ? n : 1);

		(void)fprintf(f, "%s =?UTF-8?B?%s?=", at > 0 ? "\r\n" : "", word);
		at += n > 0 ? n : 1;
	}
	(void)fputs("\r\n", f);
}

static void put_text(FILE *f, const char *text)
{
	CLEAN_FREE char *code = base64_encode(text, strlen(text));
	size_t len = strlen(code);

	for (size_t at = 0; at < len; at += LINE_BYTES)
		(void)fprintf(f, "%.*s\r\n", LINE_BYTES, code + at);
}

static bool sender(const struct config *c, char *ret, size_t size)
{
	char host[256] = "localhost";

	(void)gethostname(host, sizeof(host) - 1);
	int n = *c->mail_from != '\0' ? snprintf(ret, size, "%s", c->mail_from)
				      : snprintf(ret, size, "slipway@%s", host);
	return n > 0 && (size_t)n < size && mailbox_ok(ret, "");
}

/*
 * The whole message of a mail: RFC 5322, headers ASCII, the text base64.
 * Owns: caller frees.  NULL: an address is none.
 */
static char *mail_message(const struct config *c, const json_object *mail, char *ret_from,
			  size_t from_size)
{
	const char *to = json_str(mail, "to", "");
	char date[32], random[17], *text = NULL;
	size_t len;
	FILE *f;

	if (!sender(c, ret_from, from_size) || !mailbox_ok(to, c->mail_domains))
		return NULL;
	f = open_memstream(&text, &len);
	if (f == NULL)
		mem_die();
	clock_http(clock_now_ms(), date);
	token_hex(random, 16);
	(void)fprintf(f, "From: <%s>\r\nTo: <%s>\r\n", ret_from, to);
	put_header(f, "Subject", json_str(mail, "subject", ""));
	(void)fprintf(f, "Date: %.*s+0000\r\n", (int)strcspn(date, "G"), date);
	(void)fprintf(f, "Message-ID: <%lld.%s%s>\r\n", (long long)json_int(mail, "id", 0), random,
		      strchr(ret_from, '@'));
	(void)fputs("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\n"
		    "Content-Transfer-Encoding: base64\r\nAuto-Submitted: auto-generated\r\n\r\n",
		    f);
	put_text(f, json_str(mail, "text", ""));
	if (fclose(f) != 0)
		mem_die();
	return text;
}

/* ---- sendmail */

/* An MTA's own program wants lines as files have them. */
static void drop_returns(char *text)
{
	char *to = text;

	for (; *text != '\0'; text++)
		if (*text != '\r')
			*to++ = *text;
	*to = '\0';
}

static void read_log(int fd, char *text, size_t size)
{
	ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	for (char *s = text; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20)
			*s = ' ';
}

static enum err by_sendmail(const struct config *c, char *message, struct error *error)
{
	char *argv[] = {c->mail_sendmail, (char[]){"-t"}, (char[]){"-i"}, NULL};
	struct child child = {.to = -1, .from = -1, .log = -1};
	char said[200];
	int status = -1;
	enum err err = child_start(c->mail_sendmail, argv, true, &child, error);

	if (err != ERR_OK)
		return err;
	drop_returns(message);
	err = fs_write_all(child.to, message, strlen(message), error);
	int log = dup(child.log);
	child_finish(&child, SENDMAIL_MS, &status);
	read_log(log, said, sizeof(said));
	if (log >= 0)
		(void)close(log);
	if (err == ERR_OK && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		err = error_set(error, ERR_IO, "sendmail: wait status 0x%x: %s", (unsigned)status,
				said);
	return err;
}

/* ---- SMTP */

struct feed {
	const char *at;
	size_t left;
};

static size_t feed_more(char *to, size_t size, size_t n, void *arg)
{
	struct feed *f = arg;
	size_t take = size * n < f->left ? size * n : f->left;

	memcpy(to, f->at, take);
	f->at += take;
	f->left -= take;
	return take;
}

/* The file's first line.  Caller frees; NULL: it cannot be read. */
static char *password_of(const struct config *c, struct error *error)
{
	char *text = NULL;
	size_t len;

	if (c->mail_smtp_password == NULL)
		return mem_strdup("");
	if (fs_read_file(AT_FDCWD, c->mail_smtp_password, PASSWORD_BYTES, &text, &len, error) !=
	    ERR_OK)
		return NULL;
	text[strcspn(text, "\r\n")] = '\0';
	return text;
}

static void set_login(CURL *curl, const struct config *c, const char *password)
{
	if (*c->mail_smtp_user == '\0')
		return;
	(void)curl_easy_setopt(curl, CURLOPT_USERNAME, c->mail_smtp_user);
	(void)curl_easy_setopt(curl, CURLOPT_PASSWORD, password);
}

/* No connection without TLS, no other protocol, no proxy of the environment. */
static void set_connection(CURL *curl, const struct config *c)
{
	(void)curl_easy_setopt(curl, CURLOPT_URL, c->mail_smtp_url);
	(void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	(void)curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
	(void)curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (c->mail_smtp_ca != NULL)
		(void)curl_easy_setopt(curl, CURLOPT_CAINFO, c->mail_smtp_ca);
	(void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, SEND_S);
}

static enum err by_smtp(const struct config *c, const char *from, const char *to,
			const char *message, struct error *error)
{
	CLEAN_FREE char *password = password_of(c, error);
	CLEAN_FREE char *sender = mem_printf("<%s>", from), *receiver = mem_printf("<%s>", to);
	struct feed feed = {message, strlen(message)};
	char said[CURL_ERROR_SIZE] = "";
	struct curl_slist *list = NULL;
	CURL *curl;
	CURLcode code;

	if (password == NULL)
		return error->err;
	if (*c->mail_smtp_url == '\0')
		return error_set(error, ERR_UNAVAILABLE, "mail.smtp_url is not set");
	curl = curl_easy_init();
	list = curl == NULL ? NULL : curl_slist_append(NULL, receiver);
	if (list == NULL)
		mem_die();
	set_connection(curl, c);
	set_login(curl, c, password);
	(void)curl_easy_setopt(curl, CURLOPT_MAIL_FROM, sender);
	(void)curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, list);
	(void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, feed_more);
	(void)curl_easy_setopt(curl, CURLOPT_READDATA, &feed);
	(void)curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, said);
	code = curl_easy_perform(curl);
	curl_slist_free_all(list);
	curl_easy_cleanup(curl);
	return code == CURLE_OK ? ERR_OK
				: error_set(error, ERR_IO, "SMTP: %s",
					    *said != '\0' ? said : curl_easy_strerror(code));
}

enum err mail_send(const struct config *c, const json_object *mail, struct error *error)
{
	char from[ADDRESS_BYTES];
	CLEAN_FREE char *message = mail_message(c, mail, from, sizeof(from));

	if (message == NULL)
		return error_set(error, ERR_BAD_REQUEST, "sender or receiver is no address");
	switch (c->mail_method) {
	case MAIL_SENDMAIL:
		return by_sendmail(c, message, error);
	case MAIL_SMTP:
		return by_smtp(c, from, json_str(mail, "to", ""), message, error);
	case MAIL_NONE:
		break;
	}
	return ERR_OK;
}
