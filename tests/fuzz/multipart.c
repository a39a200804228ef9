/*
 * Goal: a multipart body is read without a fault, and to the same end however it is cut.  The first
 * byte of the input says how; the rest is a body with the boundary "b".
 */
#include "fuzz.h"

struct seen {
	FILE *out;
};

static enum err begin(void *arg, const char *field, const char *filename, const char *type,
		      struct error *e)
{
	(void)e;
	fprintf(((struct seen *)arg)->out, "[%s|%s|%s|", field, filename,
		type != NULL ? type : "-");
	return ERR_OK;
}

static enum err data(void *arg, const void *bytes, size_t n, struct error *e)
{
	(void)e;
	fwrite(bytes, 1, n, ((struct seen *)arg)->out);
	return ERR_OK;
}

static enum err end(void *arg, struct error *e)
{
	(void)e;
	fputc(']', ((struct seen *)arg)->out);
	return ERR_OK;
}

static char *read_body(const uint8_t *body, size_t len, size_t first, size_t step, size_t *ret_len)
{
	char length[40];
	const char *env[] = {"REQUEST_METHOD=POST",
			     "REQUEST_URI=/upload/",
			     "PATH_INFO=/upload/",
			     length,
			     "CONTENT_TYPE=multipart/form-data; boundary=b",
			     NULL};
	struct seen seen;
	struct form_sink sink = {.begin = begin, .data = data, .end = end, .arg = &seen};
	struct form form;
	struct req req;
	char *text = NULL;

	(void)snprintf(length, sizeof(length), "CONTENT_LENGTH=%zu", len);
	seen.out = open_memstream(&text, ret_len);
	struct wire *w = wire_of_memory(env, body, len, NULL);
	wire_memory_split(w, first, step);
	req_init(&req, w, &fuzz_config);
	enum err err = form_read(&req, &form, &sink, NULL);
	/* What went to the sink before an error may differ by the cut; the error may not. */
	if (err != ERR_OK) {
		(void)fclose(seen.out);
		free(text);
		text = NULL;
		seen.out = open_memstream(&text, ret_len);
		fprintf(seen.out, "%d", err_status(err));
	} else {
		for (size_t i = 0; i < form.fields.n; i++)
			fprintf(seen.out, "%s=%s;", form.fields.v[i].name, form.fields.v[i].value);
	}
	(void)fclose(seen.out);
	form_done(&form);
	req_done(&req);
	wire_free(w);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	size_t a, b;

	if (size == 0)
		return 0;
	char *whole = read_body(input + 1, size - 1, 0, 0, &a);
	char *cut = read_body(input + 1, size - 1, input[0], input[0] % 13u + 1u, &b);
	fuzz_check(a == b && memcmp(whole, cut, a) == 0);
	free(whole);
	free(cut);
	return 0;
}
