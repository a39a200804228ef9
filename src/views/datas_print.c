#include "views/datas_print.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/token.h"
#include "http/represent.h"

#define PAGE_BYTES (256 * KIB) /* of an answer shown on a page */

/* A file that nobody else sees and that goes with its last descriptor. */
static FILE *nameless(const struct config *c)
{
	char name[33];

	token_hex(name, 32);
	CLEAN_FREE char *path = mem_printf("%s/run/%s", c->data_dir, name);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 && errno == ENOENT) {
		/* Plain CGI, before any worker was there. */
		CLEAN_FREE char *folder = mem_printf("%s/run", c->data_dir);
		(void)mkdir(folder, 0700);
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	}
	if (fd < 0)
		return NULL;
	(void)unlink(path);
	FILE *f = fdopen(fd, "w+");
	if (f == NULL)
		(void)close(fd);
	return f;
}

/* Bytes of text, escaped for where they stand.  They need not end in a NUL. */
static void put(struct printing *p, const char *s, size_t len)
{
	CLEAN_FREE char *text = mem_strndup(s, len);

	if (p->xml)
		escape_xml(p->out, text);
	else
		escape_json(p->out, text);
}

static void before(struct printing *p, const char *name)
{
	if (p->xml) {
		fprintf(p->out, "<%s>", name);
		return;
	}
	if (p->more)
		fputc(',', p->out);
	/* Rows of a table stay lines of their own. */
	if (p->indent && p->depth <= 3)
		fprintf(p->out, "\n%*s", 4 * p->depth, "");
	p->more = true;
}

static void begin_member(struct printing *p, const char *name, bool named)
{
	before(p, name);
	if (!p->xml && named)
		fprintf(p->out, "\"%s\":%s", name, p->indent ? " " : "");
}

static void end_member(struct printing *p, const char *name)
{
	if (p->xml)
		fprintf(p->out, "</%s>", name);
}

enum err printing_begin(struct call *call, const char *xml_root, struct printing *ret)
{
	*ret = (struct printing){.call = call,
				 .xml = call->supermap.format == SUPERMAP_XML,
				 .indent = call->supermap.format == SUPERMAP_RJSON,
				 .depth = 1};
	enum err err = call->supermap.format == SUPERMAP_JSONP
			   ? supermap_callback(call, &ret->callback)
			   : ERR_OK;
	if (err != ERR_OK)
		return err;
	ret->out = nameless(call->ctx->config);
	if (ret->out == NULL)
		return error_errno(&call->error, ERR_IO, "answer file");
	if (ret->xml)
		fprintf(ret->out,
			"<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n<%s>",
			xml_root);
	else
		fprintf(ret->out, "%s%s{", ret->callback != NULL ? ret->callback : "",
			ret->callback != NULL ? "(" : "");
	return ERR_OK;
}

void printing_text(struct printing *p, const char *name, const char *value)
{
	if (value == NULL && p->xml)
		return;
	begin_member(p, name, true);
	if (value == NULL) {
		fputs("null", p->out);
		return;
	}
	if (!p->xml)
		fputc('"', p->out);
	put(p, value, strlen(value));
	if (!p->xml)
		fputc('"', p->out);
	end_member(p, name);
}

void printing_int(struct printing *p, const char *name, int64_t value)
{
	begin_member(p, name, true);
	fprintf(p->out, "%lld", (long long)value);
	end_member(p, name);
}

void printing_long_begin(struct printing *p, const char *name)
{
	begin_member(p, name, true);
	if (!p->xml)
		fputc('"', p->out);
}

void printing_long(struct printing *p, const char *s, size_t len)
{
	put(p, s, len);
}

void printing_long_end(struct printing *p, const char *name)
{
	if (!p->xml)
		fputc('"', p->out);
	end_member(p, name);
}

void printing_open(struct printing *p, const char *name, char bracket)
{
	/* A list in a list has no name in JSON. */
	begin_member(p, name, strcmp(name, "list") != 0);
	if (!p->xml)
		fputc(bracket, p->out);
	p->more = false;
	p->depth++;
}

void printing_close(struct printing *p, const char *name, char bracket)
{
	p->depth--;
	if (p->indent && p->more && p->depth <= 2)
		fprintf(p->out, "\n%*s", 4 * p->depth, "");
	if (!p->xml)
		fputc(bracket, p->out);
	end_member(p, name);
	p->more = true;
}

void printing_item(struct printing *p, const char *s, size_t len)
{
	before(p, "string");
	if (!p->xml)
		fputc('"', p->out);
	put(p, s, len);
	if (!p->xml)
		fputc('"', p->out);
	end_member(p, "string");
}

void printing_model(struct printing *p, const char *name, bool item, const json_object *model)
{
	CLEAN_FREE char *text = represent(model, p->xml ? FORMAT_XML : FORMAT_JSON, name, NULL);

	if (p->xml) {
		/* Behind the prolog, which the whole has already. */
		fputs(strchr(text, '\n') + 1, p->out);
		return;
	}
	begin_member(p, name, !item);
	fputs(text, p->out);
}

void printing_drop(struct printing *p)
{
	if (p->out != NULL)
		(void)fclose(p->out);
	p->out = NULL;
}

/* On a page: its beginning. */
static enum err on_page(struct printing *p)
{
	CLEAN_FREE char *text = mem_alloc(PAGE_BYTES + 4);
	json_object *m = json_object_new_object();

	rewind(p->out);
	size_t n = fread(text, 1, PAGE_BYTES, p->out);
	text[text_cut(text, n, n)] = '\0';
	json_set_str(m, "text", text);
	json_set_bool(m, "cut", n == PAGE_BYTES);
	return supermap_page(p->call, 200, "datas_model", "title.datas_model", m);
}

enum err printing_end(struct printing *p, const char *xml_root)
{
	struct call *call = p->call;
	struct stat st;
	enum err err = ERR_OK;

	if (p->xml)
		fprintf(p->out, "</%s>", xml_root);
	else
		fprintf(p->out, "%s}%s", p->indent ? "\n" : "",
			p->callback != NULL ? ",200);" : "");
	if (fflush(p->out) != 0 || ferror(p->out) || fstat(fileno(p->out), &st) != 0) {
		err = error_errno(&call->error, ERR_IO, "answer file");
	} else if (call->supermap.format == SUPERMAP_HTML) {
		err = on_page(p);
	} else {
		int fd = fcntl(fileno(p->out), F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			err = error_errno(&call->error, ERR_IO, "answer file");
		else
			reply_file(call->reply, fd, st.st_size,
				   p->xml		 ? "application/xml;charset=UTF-8"
				   : p->callback != NULL ? "application/javascript;charset=UTF-8"
							 : "application/json;charset=UTF-8",
				   NULL, NULL);
		reply_header(call->reply, "Cache-Control", "private, no-cache");
		reply_header(call->reply, "Vary", "Origin");
	}
	printing_drop(p);
	return err;
}
