/*
 * Goal: every upload library is known by its words in whatever order they come, its bytes get their
 * place, and numbers that are none or contradict each other are refused with the field that is to
 * blame.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "views/chunk_dialect.h"

/* A request from urlencoded text. */
struct given {
	struct pairs form, query;
	struct chunk_request r;
	struct chunk c;
};

static void take(struct given *g, const char *form, const char *query, size_t n_files)
{
	*g = (struct given){0};
	assert_int_equal(pairs_decode(&g->form, form, strlen(form), 100, NULL), ERR_OK);
	assert_int_equal(pairs_decode(&g->query, query, strlen(query), 100, NULL), ERR_OK);
	g->r = (struct chunk_request){.multipart = true, .n_files = n_files};
	if (n_files > 0) {
		g->r.part_field = "file";
		g->r.part_name = "part.bin";
	}
}

static enum err ask(struct given *g)
{
	chunk_done(&g->c);
	/* Here, not in take: G may have been copied. */
	g->r.form = &g->form;
	g->r.query = &g->query;
	return chunk_read(&g->r, &g->c);
}

static void drop(struct given *g)
{
	chunk_done(&g->c);
	pairs_done(&g->form);
	pairs_done(&g->query);
}

#define RESUMABLE(n, size, now, total, count)                                                      \
	"resumableChunkNumber=" n "&resumableChunkSize=" size "&resumableCurrentChunkSize=" now    \
	"&resumableTotalSize=" total "&resumableType=text%2Fcsv&resumableIdentifier=" total        \
	"-acsv&resumableFilename=%E6%95%B0%E6%8D%AE%20a.csv&resumableRelativePath="                \
	"d%2F%E6%95%B0%E6%8D%AE%20a.csv&resumableTotalChunks=" count
#define FLOW(n, size, now, total, count)                                                           \
	"flowChunkNumber=" n "&flowChunkSize=" size "&flowCurrentChunkSize=" now                   \
	"&flowTotalSize=" total "&flowIdentifier=" total                                           \
	"-acsv&flowFilename=a.csv&flowRelativePath=a.csv&flowTotalChunks=" count
#define SIMPLE(n, size, now, total, count)                                                         \
	"chunkNumber=" n "&chunkSize=" size "&currentChunkSize=" now "&totalSize=" total           \
	"&identifier=" total "-acsv&filename=a.csv&relativePath=a.csv&totalChunks=" count
#define DROPZONE(i, total, size, count, at)                                                        \
	"dzuuid=u1&dzchunkindex=" i "&dztotalfilesize=" total "&dzchunksize=" size                 \
	"&dztotalchunkcount=" count "&dzchunkbyteoffset=" at
#define FINE(i, at, now, total, count)                                                             \
	"qqpartindex=" i "&qqpartbyteoffset=" at "&qqchunksize=" now "&qqtotalparts=" count        \
	"&qqtotalfilesize=" total "&qqfilename=a.csv&qquuid=u2"
#define WEBUPLOADER(i, count)                                                                      \
	"id=WU_FILE_0&name=a.csv&type=text%2Fcsv&lastModifiedDate=Sun&size=2500000&chunks=" count  \
	"&chunk=" i

/* ---- places */

struct place {
	const char *fields;
	enum chunk_dialect dialect;
	enum upload_mode mode;
	int64_t first, len, total; /* PARTS: FIRST is the number, LEN the count */
	bool settled, begins;
};

static const struct place places[] = {
    {RESUMABLE("1", "1048576", "1048576", "2500000", "2"), CHUNK_RESUMABLE, UPLOAD_RANGE, 0,
     1048576, 2500000, true, true},
    {RESUMABLE("2", "1048576", "1451424", "2500000", "2"), CHUNK_RESUMABLE, UPLOAD_RANGE, 1048576,
     1451424, 2500000, true, false},
    {RESUMABLE("1", "1048576", "7", "7", "1"), CHUNK_RESUMABLE, UPLOAD_RANGE, 0, 7, 7, true, true},
    {RESUMABLE("1", "1048576", "0", "0", "1"), CHUNK_RESUMABLE, UPLOAD_RANGE, 0, 0, 0, true, true},
    {RESUMABLE("2", "1048576", "1048576", "2097152", "2"), CHUNK_RESUMABLE, UPLOAD_RANGE, 1048576,
     1048576, 2097152, true, false},
    /* forceChunkSize: the last is smaller */
    {RESUMABLE("3", "1048576", "402848", "2500000", "3"), CHUNK_RESUMABLE, UPLOAD_RANGE, 2097152,
     402848, 2500000, true, false},
    /* without the optional fields */
    {"resumableIdentifier=x&resumableChunkNumber=2&resumableChunkSize=10&resumableTotalSize=25",
     CHUNK_RESUMABLE, UPLOAD_RANGE, 10, 15, 25, false, false},
    {"resumableIdentifier=x&resumableChunkNumber=3&resumableChunkSize=10&resumableTotalSize=25",
     CHUNK_RESUMABLE, UPLOAD_RANGE, 20, 5, 25, false, false},
    {"resumableIdentifier=x&resumableChunkNumber=2&resumableChunkSize=10&resumableTotalSize=25&"
     "resumableCurrentChunkSize=10",
     CHUNK_RESUMABLE, UPLOAD_RANGE, 10, 10, 25, false, false},
    {FLOW("2", "10", "15", "25", "2"), CHUNK_FLOW, UPLOAD_RANGE, 10, 15, 25, true, false},
    {SIMPLE("1", "10", "10", "25", "2"), CHUNK_SIMPLE, UPLOAD_RANGE, 0, 10, 25, true, true},
    {SIMPLE("2", "10", "15", "25", "2"), CHUNK_SIMPLE, UPLOAD_RANGE, 10, 15, 25, true, false},
    {DROPZONE("2", "2500000", "1048576", "3", "2097152"), CHUNK_DROPZONE, UPLOAD_RANGE, 2097152,
     402848, 2500000, true, false},
    {DROPZONE("0", "10", "1048576", "1", "0"), CHUNK_DROPZONE, UPLOAD_RANGE, 0, 10, 10, true, true},
    {"dzuuid=u&dztotalfilesize=100&dzchunkbyteoffset=30", CHUNK_DROPZONE, UPLOAD_RANGE, 30, -1, 100,
     false, false},
    {FINE("1", "1000000", "500", "1000500", "2"), CHUNK_FINE, UPLOAD_RANGE, 1000000, 500, 1000500,
     true, false},
    {"qquuid=u&qqfilename=a&qqtotalfilesize=12", CHUNK_FINE, UPLOAD_RANGE, 0, 12, 12, false, true},
    {"qquuid=u&qqfilename=a", CHUNK_FINE, UPLOAD_RANGE, 0, -1, -1, false, true},
    {WEBUPLOADER("2", "3"), CHUNK_WEBUPLOADER, UPLOAD_PARTS, 2, 3, 2500000, true, false},
    {"name=a.csv&chunk=0&chunks=3", CHUNK_PLUPLOAD, UPLOAD_PARTS, 0, 3, -1, false, true},
    {"name=a.csv&offset=100&total=250", CHUNK_PLUPLOAD, UPLOAD_RANGE, 100, -1, 250, false, false},
    {"name=a.csv&offset=0&total=0", CHUNK_PLUPLOAD, UPLOAD_RANGE, 0, -1, 0, false, true},
};

static void check_place(struct given *g, const struct place *p)
{
	enum err err = ask(g);

	if (err != ERR_OK)
		fail_msg("%s: %s by %s", p->fields, err_name(err), g->c.bad_field);
	assert_int_equal(g->c.dialect, p->dialect);
	assert_int_equal(g->c.kind, CHUNK_KIND_BYTES);
	assert_int_equal(g->c.mode, p->mode);
	assert_int_equal(g->c.total, p->total);
	assert_int_equal(p->mode == UPLOAD_PARTS ? (int64_t)g->c.number : g->c.first, p->first);
	assert_int_equal(p->mode == UPLOAD_PARTS ? (int64_t)g->c.count : g->c.len, p->len);
	assert_int_equal(g->c.begins, p->begins);
	assert_int_equal(g->c.settled, p->settled);
}

static void test_chunk_finds_the_place_of_every_dialect(void **state)
{
	struct given g;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		take(&g, places[i].fields, "", 1);
		check_place(&g, &places[i]);
		drop(&g);
		/* raw bodies have their fields in the query */
		take(&g, "", places[i].fields, 0);
		g.r.multipart = false;
		check_place(&g, &places[i]);
		drop(&g);
	}
}

static void test_chunk_does_not_mind_the_order_of_fields(void **state)
{
	struct given g, h;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		take(&g, places[i].fields, "", 1);
		h = g;
		h.form = (struct pairs){0};
		for (size_t k = g.form.n; k-- > 0;)
			pairs_add(&h.form, g.form.v[k].name, g.form.v[k].value);
		h.query = (struct pairs){0};
		assert_int_equal(ask(&g), ERR_OK);
		assert_int_equal(ask(&h), ERR_OK);
		assert_true(chunk_equal(&g.c, &h.c));
		assert_string_equal(g.c.name, h.c.name);
		drop(&g);
		drop(&h);
	}
}

/* Fields that come behind the data must find the same as those before it: nothing is settled until
 * all are there. */
static void test_chunk_is_settled_only_when_no_field_can_change_it(void **state)
{
	struct given g, part;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		take(&g, places[i].fields, "", 1);
		assert_int_equal(ask(&g), ERR_OK);
		assert_true(g.form.n < 16);
		for (unsigned set = 0; set < 1u << g.form.n; set++) {
			take(&part, "", "", 1);
			for (size_t k = 0; k < g.form.n; k++)
				if ((set >> k & 1) != 0)
					pairs_add(&part.form, g.form.v[k].name, g.form.v[k].value);
			if (ask(&part) == ERR_OK && part.c.settled &&
			    part.c.kind == CHUNK_KIND_BYTES)
				assert_true(chunk_equal(&part.c, &g.c));
			drop(&part);
		}
		drop(&g);
	}
}

/* ---- refusals */

static void test_chunk_refuses_numbers_that_do_not_fit(void **state)
{
	static const struct {
		const char *fields, *blame;
	} rows[] = {
	    {RESUMABLE("0", "10", "10", "25", "2"), "resumableChunkNumber"},
	    {RESUMABLE("-1", "10", "10", "25", "2"), "resumableChunkNumber"},
	    {RESUMABLE("1.5", "10", "10", "25", "2"), "resumableChunkNumber"},
	    {RESUMABLE("abc", "10", "10", "25", "2"), "resumableChunkNumber"},
	    {RESUMABLE("", "10", "10", "25", "2"), "resumableChunkNumber"},
	    {RESUMABLE("3", "10", "15", "25", "2"), "resumableChunkNumber"},
	    {RESUMABLE("99999999999999999999", "10", "10", "25", "2"), "resumableChunkNumber"},
	    {RESUMABLE("9223372036854775807", "10", "10", "25", "9223372036854775807"),
	     "resumableTotalChunks"},
	    {RESUMABLE("3", "10", "0", "20", "3"), "resumableTotalChunks"},
	    {RESUMABLE("1", "30", "30", "25", "2"), "resumableTotalChunks"},
	    {RESUMABLE("1", "10", "10", "25", "1"), "resumableTotalChunks"},
	    {RESUMABLE("1", "10", "10", "25", "4"), "resumableTotalChunks"},
	    {RESUMABLE("1", "10", "10", "0", "2"), "resumableTotalChunks"},
	    {RESUMABLE("1", "10", "9", "25", "2"), "resumableCurrentChunkSize"},
	    {RESUMABLE("2", "10", "10", "25", "2"), "resumableCurrentChunkSize"},
	    {RESUMABLE("1", "0", "0", "25", "2"), "resumableChunkSize"},
	    {RESUMABLE("1", "-5", "0", "25", "2"), "resumableChunkSize"},
	    {RESUMABLE("1", "10", "10", "-25", "2"), "resumableTotalSize"},
	    {RESUMABLE("1", "10", "10", "25", "0"), "resumableTotalChunks"},
	    {"resumableIdentifier=x&resumableChunkNumber=1&resumableChunkSize=10",
	     "resumableTotalSize"},
	    {"flowIdentifier=x&flowChunkSize=10&flowTotalSize=20", "flowChunkNumber"},
	    {FLOW("0", "10", "10", "25", "2"), "flowChunkNumber"},
	    {SIMPLE("3", "10", "10", "25", "2"), "chunkNumber"},
	    {DROPZONE("3", "30", "10", "3", "30"), "dzchunkindex"},
	    {DROPZONE("-1", "30", "10", "3", "0"), "dzchunkindex"},
	    {DROPZONE("1", "30", "10", "3", "31"), "dzchunkbyteoffset"},
	    {DROPZONE("1", "30", "10", "3", "-1"), "dzchunkbyteoffset"},
	    {DROPZONE("1", "x", "10", "3", "0"), "dztotalfilesize"},
	    {"dzuuid=u&dztotalfilesize=10", "dzchunkbyteoffset"},
	    {FINE("1", "10", "11", "20", "2"), "qqchunksize"},
	    {FINE("2", "10", "10", "20", "2"), "qqpartindex"},
	    {FINE("1", "21", "1", "20", "2"), "qqpartbyteoffset"},
	    {"qquuid=u&qqpartbyteoffset=5&qqchunksize=5", "qqtotalfilesize"},
	    {WEBUPLOADER("3", "3"), "chunk"},
	    {WEBUPLOADER("-1", "3"), "chunk"},
	    {WEBUPLOADER("0", "0"), "chunks"},
	    {WEBUPLOADER("0", "99999999999"), "chunks"},
	    {"name=a&chunk=2&chunks=2", "chunk"},
	    {"name=a&chunk=&chunks=2", "chunk"},
	    {"name=a&offset=-1&total=2", "offset"},
	    {"name=a&offset=3&total=2", "offset"},
	};
	struct given g;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		take(&g, rows[i].fields, "", 1);
		enum err err = ask(&g);
		if (err != ERR_LENGTH || g.c.bad_field == NULL ||
		    strcmp(g.c.bad_field, rows[i].blame) != 0)
			fail_msg("%s: %s by %s", rows[i].fields, err_name(err), g.c.bad_field);
		drop(&g);
	}
}

static void test_chunk_never_overflows(void **state)
{
	static const char *const big[] = {
	    "0", "1", "2", "4611686018427387904", "9223372036854775806", "9223372036854775807"};
	const size_t n = sizeof(big) / sizeof(*big);
	struct given g;

	(void)state;
	for (size_t i = 0; i < n * n * n * n; i++) {
		const char *number = big[i % n], *size = big[i / n % n],
			   *total = big[i / n / n % n], *count = big[i / n / n / n];
		CLEAN_FREE char *flow =
		    mem_printf("flowIdentifier=x&flowChunkNumber=%s&flowChunkSize=%s&flowTotalSize="
			       "%s&flowTotalChunks=%s",
			       number, size, total, count);
		CLEAN_FREE char *open = mem_printf(
		    "flowIdentifier=x&flowChunkNumber=%s&flowChunkSize=%s&flowTotalSize=%s", number,
		    size, total);
		CLEAN_FREE char *fine =
		    mem_printf("qquuid=x&qqpartbyteoffset=%s&qqchunksize=%s&qqtotalfilesize=%s",
			       number, size, total);
		CLEAN_FREE char *drop_zone =
		    mem_printf("dzuuid=x&dzchunkbyteoffset=%s&dzchunksize=%s&dztotalfilesize=%s",
			       number, size, total);
		const char *const all[] = {flow, open, fine, drop_zone};
		for (size_t k = 0; k < 4; k++) {
			take(&g, all[k], "", 1);
			if (ask(&g) == ERR_OK) {
				assert_true(g.c.first >= 0 && g.c.first <= g.c.total);
				assert_true(g.c.len <= g.c.total - g.c.first);
			}
			drop(&g);
		}
	}
}

/* ---- which dialect */

static void test_chunk_prefers_the_first_dialect_that_matches(void **state)
{
	struct given g;

	(void)state;
	take(&g,
	     RESUMABLE("1", "10", "10", "25", "2") "&" FLOW("1", "10", "10", "25",
							    "2") "&" WEBUPLOADER("0", "2"),
	     "", 1);
	assert_int_equal(ask(&g), ERR_OK);
	assert_int_equal(g.c.dialect, CHUNK_RESUMABLE);
	g.r.upload_offset = "0";
	pairs_add(&g.query, "patch", "00");
	assert_int_equal(ask(&g), ERR_OK);
	assert_int_equal(g.c.dialect, CHUNK_FILEPOND);
	drop(&g);
	/* WebUploader's fields hold Plupload's; neither minds a Content-Range. */
	take(&g, WEBUPLOADER("0", "2"), "", 1);
	g.r.content_range = "bytes 0-9/20";
	assert_int_equal(ask(&g), ERR_OK);
	assert_int_equal(g.c.dialect, CHUNK_WEBUPLOADER);
	drop(&g);
	/* The simple dialect needs three words. */
	take(&g, "identifier=x&chunkNumber=1", "", 1);
	assert_int_equal(ask(&g), ERR_OK);
	assert_int_equal(g.c.dialect, CHUNK_FORM);
	drop(&g);
	/* The form wins over the query. */
	take(&g, FLOW("2", "10", "15", "25", "2"), FLOW("1", "10", "10", "25", "2"), 1);
	assert_int_equal(ask(&g), ERR_OK);
	assert_int_equal(g.c.first, 10);
	drop(&g);
}

static void test_chunk_knows_forced_dialects(void **state)
{
	struct given g;

	(void)state;
	for (enum chunk_dialect d = CHUNK_NONE + 1; d < CHUNK__MAX; d++) {
		const char *name = chunk_dialect_name(d);
		assert_int_equal(chunk_dialect_by_name(name, strlen(name)), d);
	}
	assert_int_equal(chunk_dialect_by_name("", 0), CHUNK_NONE);
	assert_int_equal(chunk_dialect_by_name("flo", 3), CHUNK_NONE);
	assert_int_equal(chunk_dialect_by_name("flow.csv", 4), CHUNK_FLOW);
	assert_int_equal(chunk_dialect_by_name("flow.csv", 8), CHUNK_NONE);

	take(&g, RESUMABLE("1", "10", "10", "25", "2") "&" FLOW("2", "10", "15", "25", "2"), "", 1);
	g.r.forced = CHUNK_FLOW;
	assert_int_equal(ask(&g), ERR_OK);
	assert_int_equal(g.c.dialect, CHUNK_FLOW);
	assert_int_equal(g.c.first, 10);
	g.r.forced = CHUNK_FINE;
	assert_int_equal(ask(&g), ERR_BAD_REQUEST);
	assert_string_equal(g.c.bad_field, "qquuid");
	g.r.forced = CHUNK_SIMPLE;
	assert_int_equal(ask(&g), ERR_BAD_REQUEST);
	assert_string_equal(g.c.bad_field, "identifier");
	/* Small files of these come whole. */
	static const enum chunk_dialect whole[] = {CHUNK_DROPZONE, CHUNK_WEBUPLOADER,
						   CHUNK_PLUPLOAD, CHUNK_CONTENTRANGE, CHUNK_FORM};
	for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++) {
		g.r.forced = whole[i];
		assert_int_equal(ask(&g), ERR_OK);
		assert_int_equal(g.c.dialect, CHUNK_FORM);
	}
	g.r.forced = CHUNK_RAW;
	assert_int_equal(ask(&g), ERR_BAD_REQUEST);
	drop(&g);
}

static void test_chunk_reads_filepond(void **state)
{
	struct given g;

	(void)state;
	/* the wish for an id */
	take(&g, "filepond=%7B%7D", "", 0);
	g.r.upload_length = "2500000";
	assert_int_equal(ask(&g), ERR_OK);
	assert_int_equal(g.c.dialect, CHUNK_FILEPOND);
	assert_int_equal(g.c.kind, CHUNK_KIND_CREATE);
	assert_int_equal(g.c.total, 2500000);
	assert_string_equal(g.c.name, "upload");
	static const char *const bad[] = {"-1", "1.5", "abc", "", "99999999999999999999"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		g.r.upload_length = bad[i];
		assert_int_equal(ask(&g), ERR_LENGTH);
		assert_string_equal(g.c.bad_field, "Upload-Length");
	}
	g.r.upload_length = NULL;
	assert_int_equal(ask(&g), ERR_BAD_REQUEST);
	drop(&g);
	/* a piece */
	take(&g, "", "patch=0123", 0);
	g.r.multipart = false;
	g.r.upload_length = "2500000";
	g.r.upload_offset = "1048576";
	g.r.upload_name = "\xe6\x95\xb0\xe6\x8d\xae a.csv";
	assert_int_equal(ask(&g), ERR_OK);
	assert_int_equal(g.c.kind, CHUNK_KIND_BYTES);
	assert_string_equal(g.c.id, "0123");
	assert_int_equal(g.c.first, 1048576);
	assert_int_equal(g.c.len, -1);
	assert_string_equal(g.c.name, g.r.upload_name);
	g.r.upload_offset = "2500000";
	assert_int_equal(ask(&g), ERR_OK);
	g.r.upload_offset = "2500001";
	assert_int_equal(ask(&g), ERR_LENGTH);
	g.r.upload_offset = "-1";
	assert_int_equal(ask(&g), ERR_LENGTH);
	g.r.upload_offset = "0";
	g.r.upload_name = "\xff.csv";
	assert_int_equal(ask(&g), ERR_BAD_REQUEST);
	drop(&g);
	/* unchunked: the metadata under the file's name */
	take(&g, "file=%7B%22a%22%3A1%7D", "", 1);
	assert_int_equal(ask(&g), ERR_OK);
	assert_int_equal(g.c.dialect, CHUNK_FILEPOND);
	assert_int_equal(g.c.kind, CHUNK_KIND_WHOLE);
	assert_string_equal(g.c.name, "part.bin");
	drop(&g);
	take(&g, "other=%7B%7D", "", 1);
	assert_int_equal(ask(&g), ERR_OK);
	assert_int_equal(g.c.dialect, CHUNK_FORM);
	g.r.forced = CHUNK_FILEPOND;
	assert_int_equal(ask(&g), ERR_OK);
	assert_int_equal(g.c.dialect, CHUNK_FILEPOND);
	drop(&g);
}

static void test_chunk_reads_content_ranges(void **state)
{
	static const char *const bad[] = {"bytes 0-9/*",
					  "bytes 9-0/10",
					  "bytes 0-10/10",
					  "bytes -5/10",
					  "bytes 5-/10",
					  "0-9/10",
					  "bytes 0-9",
					  "bytes",
					  "",
					  "items 0-9/10",
					  "bytes 0-9/10/11",
					  "bytes 0--9/10",
					  "bytes a-b/c",
					  "bytes */10",
					  "bytes 0-0/0",
					  "bytes 0-9/99999999999999999999",
					  "bytes 1 - 2/3"};
	int64_t first, last, total;
	struct given g;

	(void)state;
	assert_true(content_range_parse("bytes 0-9/10", &first, &last, &total));
	assert_true(first == 0 && last == 9 && total == 10);
	assert_true(content_range_parse("Bytes 1048576-2097151/2500000", &first, &last, &total));
	assert_true(first == 1048576 && last == 2097151 && total == 2500000);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (content_range_parse(bad[i], &first, &last, &total) && total >= 0)
			fail_msg("took %s", bad[i]);

	take(&g, "", "", 1);
	g.r.content_range = "bytes 1048576-2097151/2500000";
	g.r.content_disposition = "attachment; filename=\"%E6%95%B0%E6%8D%AE%20a.csv\"";
	assert_int_equal(ask(&g), ERR_OK);
	assert_int_equal(g.c.dialect, CHUNK_CONTENTRANGE);
	assert_true(g.c.settled && !g.c.begins);
	assert_int_equal(g.c.first, 1048576);
	assert_int_equal(g.c.len, 1048576);
	assert_int_equal(g.c.total, 2500000);
	assert_string_equal(g.c.name, "\xe6\x95\xb0\xe6\x8d\xae a.csv");
	assert_string_equal(g.c.key[0], g.c.name);
	assert_string_equal(g.c.key[1], "2500000");
	g.r.content_range = "bytes 0-9/*";
	assert_int_equal(ask(&g), ERR_LENGTH);
	assert_string_equal(g.c.bad_field, "Content-Range");
	drop(&g);
}

static void test_chunk_reads_plain_uploads(void **state)
{
	struct given g;

	(void)state;
	take(&g, "", "", 1);
	assert_int_equal(ask(&g), ERR_OK);
	assert_int_equal(g.c.dialect, CHUNK_FORM);
	assert_int_equal(g.c.kind, CHUNK_KIND_WHOLE);
	assert_string_equal(g.c.name, "part.bin");
	drop(&g);
	/* nothing at all */
	take(&g, "a=b", "", 0);
	assert_int_equal(ask(&g), ERR_BAD_REQUEST);
	assert_int_equal(g.c.dialect, CHUNK_NONE);
	assert_null(g.c.bad_field);
	/* a body */
	g.r.multipart = false;
	assert_int_equal(ask(&g), ERR_OK);
	assert_int_equal(g.c.dialect, CHUNK_RAW);
	assert_string_equal(g.c.name, "upload");
	pairs_add(&g.query, "name", "x/y\\q.csv");
	assert_int_equal(ask(&g), ERR_OK);
	assert_string_equal(g.c.name, "q.csv");
	g.r.x_file_name = "%E7%94%B2%2F%E4%B9%99.csv";
	assert_int_equal(ask(&g), ERR_OK);
	assert_string_equal(g.c.name, "\xe4\xb9\x99.csv");
	g.r.content_disposition = "attachment; filename*=UTF-8''100%2525.csv";
	assert_int_equal(ask(&g), ERR_OK);
	assert_string_equal(g.c.name, "100%25.csv");
	g.r.content_disposition = "attachment; filename=\"100%.csv\"";
	assert_int_equal(ask(&g), ERR_OK);
	assert_string_equal(g.c.name, "100%.csv");
	g.r.path_name = "p.csv";
	assert_int_equal(ask(&g), ERR_OK);
	assert_string_equal(g.c.name, "p.csv");
	drop(&g);
	/* Plupload and Uppy: the name in a field, the part is a blob */
	take(&g, "name=real.csv&relativePath=null", "", 1);
	g.r.part_name = "blob";
	assert_int_equal(ask(&g), ERR_OK);
	assert_string_equal(g.c.name, "real.csv");
	assert_null(g.c.rel_path);
	g.r.n_files = 2;
	assert_int_equal(ask(&g), ERR_OK);
	assert_string_equal(g.c.name, "blob");
	drop(&g);
}

/* ---- names, keys */

static void test_chunk_names_and_paths(void **state)
{
	static const char *const bad[] = {"%2Fetc%2Fpasswd", "..%2Fa", "a%2F..%2Fb", "a%2F%2Fb",
					  "%5Ca%5Cb",	     "a%2F",   "a%01%2Fb"};
	struct given g;

	(void)state;
	take(&g, RESUMABLE("1", "10", "10", "25", "2"), "", 1);
	assert_int_equal(ask(&g), ERR_OK);
	assert_string_equal(g.c.name, "\xe6\x95\xb0\xe6\x8d\xae a.csv");
	assert_string_equal(g.c.rel_path, "d/\xe6\x95\xb0\xe6\x8d\xae a.csv");
	drop(&g);
	take(&g, FLOW("1", "10", "10", "25", "2"), "", 1);
	assert_int_equal(ask(&g), ERR_OK);
	assert_null(g.c.rel_path);
	drop(&g);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		CLEAN_FREE char *fields =
		    mem_printf("flowIdentifier=x&flowChunkNumber=1&flowChunkSize=10&flowTotalSize="
			       "5&flowRelativePath=%s",
			       bad[i]);
		take(&g, fields, "", 1);
		if (ask(&g) != ERR_BAD_REQUEST)
			fail_msg("took %s", bad[i]);
		assert_string_equal(g.c.bad_field, "flowRelativePath");
		drop(&g);
	}
	/* without a name of its own the part's counts */
	take(&g, DROPZONE("0", "10", "10", "1", "0"), "", 1);
	assert_int_equal(ask(&g), ERR_OK);
	assert_string_equal(g.c.name, "part.bin");
	drop(&g);
}

static void test_chunk_keys_tell_files_apart(void **state)
{
	/* Two Chinese names of one size have the same identifier. */
	static const char one[] =
	    "flowIdentifier=25-csv&flowChunkNumber=1&flowChunkSize=10&flowTotalSize=25"
	    "&flowFilename=%E7%94%B2.csv&flowRelativePath=%E7%94%B2.csv";
	static const char two[] =
	    "flowIdentifier=25-csv&flowChunkNumber=1&flowChunkSize=10&flowTotalSize=25"
	    "&flowFilename=%E4%B9%99.csv&flowRelativePath=%E4%B9%99.csv";
	struct given g, h;

	(void)state;
	take(&g, one, "", 1);
	take(&h, two, "", 1);
	assert_int_equal(ask(&g), ERR_OK);
	assert_int_equal(ask(&h), ERR_OK);
	assert_false(chunk_equal(&g.c, &h.c));
	assert_string_equal(g.c.key[0], h.c.key[0]);
	assert_string_not_equal(g.c.key[1], h.c.key[1]);
	assert_false(g.c.keeps_key);
	assert_true(g.c.begins);
	drop(&g);
	drop(&h);
	take(&g, DROPZONE("0", "20", "10", "2", "0"), "", 1);
	take(&h, DROPZONE("1", "20", "10", "2", "10"), "", 1);
	assert_int_equal(ask(&g), ERR_OK);
	assert_int_equal(ask(&h), ERR_OK);
	assert_string_equal(g.c.key[0], h.c.key[0]);
	assert_string_equal(g.c.key[1], h.c.key[1]);
	assert_true(g.c.keeps_key);
	drop(&g);
	drop(&h);
	take(&g, "name=a&chunk=0&chunks=2", "", 1);
	take(&h, "name=a&chunk=1&chunks=2", "", 1);
	assert_int_equal(ask(&g), ERR_OK);
	assert_int_equal(ask(&h), ERR_OK);
	assert_true(g.c.restarts && !h.c.restarts);
	drop(&g);
	drop(&h);
}

/* ---- errors */

static void test_chunk_errors_end_resumable(void **state)
{
	static const enum err gives_up[] = {ERR_AUTH,  ERR_FORBIDDEN, ERR_GONE,	    ERR_TOO_LARGE,
					    ERR_QUOTA, ERR_RATE,      ERR_NO_SPACE, ERR_LENGTH};
	static const enum err again[] = {ERR_LOCKED, ERR_BUSY, ERR_STOPPING, ERR_STORE};

	(void)state;
	for (size_t i = 0; i < sizeof(gives_up) / sizeof(*gives_up); i++) {
		assert_int_equal(chunk_error_status(CHUNK_RESUMABLE, gives_up[i]), 400);
		assert_int_equal(chunk_error_status(CHUNK_FLOW, gives_up[i]),
				 err_status(gives_up[i]));
		assert_true(chunk_error_is_final(gives_up[i]));
	}
	for (size_t i = 0; i < sizeof(again) / sizeof(*again); i++) {
		assert_int_equal(chunk_error_status(CHUNK_RESUMABLE, again[i]),
				 err_status(again[i]));
		assert_false(chunk_error_is_final(again[i]));
	}
	assert_int_equal(chunk_error_status(CHUNK_RESUMABLE, ERR_NOT_FOUND), 404);
	assert_int_equal(chunk_error_status(CHUNK_RESUMABLE, ERR_TYPE), 415);
	assert_false(chunk_error_is_final(ERR_CUT));
	assert_false(chunk_error_is_final(ERR_INCOMPLETE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_chunk_finds_the_place_of_every_dialect),
	    cmocka_unit_test(test_chunk_does_not_mind_the_order_of_fields),
	    cmocka_unit_test(test_chunk_is_settled_only_when_no_field_can_change_it),
	    cmocka_unit_test(test_chunk_refuses_numbers_that_do_not_fit),
	    cmocka_unit_test(test_chunk_never_overflows),
	    cmocka_unit_test(test_chunk_prefers_the_first_dialect_that_matches),
	    cmocka_unit_test(test_chunk_knows_forced_dialects),
	    cmocka_unit_test(test_chunk_reads_filepond),
	    cmocka_unit_test(test_chunk_reads_content_ranges),
	    cmocka_unit_test(test_chunk_reads_plain_uploads),
	    cmocka_unit_test(test_chunk_names_and_paths),
	    cmocka_unit_test(test_chunk_keys_tell_files_apart),
	    cmocka_unit_test(test_chunk_errors_end_resumable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
