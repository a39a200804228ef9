/* What the fuzz targets of workbooks share: reading sheets, and what is promised of their rows. */
#ifndef SLIPWAY_FUZZ_SHEETS_H
#define SLIPWAY_FUZZ_SHEETS_H

#include "fuzz.h"

#include "base/text.h"
#include "geo/sheet.h"

#define SHEETS_MET 4
#define ROWS_MET   2000

static void read_sheet(struct job *job, const struct source *src, struct book *book, size_t sheet,
		       int64_t most_rows)
{
	const struct cell *cells;
	struct rows *rows;
	int64_t last = 0;
	size_t n;

	if (rows_open_sheet(job, src, book, sheet, &rows) != ERR_OK)
		return;
	for (int i = 0; i < ROWS_MET && rows_next(rows, &cells, &n) == ROWS_ROW; i++) {
		fuzz_check(rows_row(rows) > last && rows_row(rows) <= most_rows);
		last = rows_row(rows);
		for (size_t k = 0; k < n; k++)
			fuzz_check(text_is_utf8(cells[k].s, cells[k].len));
	}
	rows_free(rows);
}

typedef enum err (*sheets_open)(struct job *, const struct source *, struct book **);

/* The workbook SRC, opened by OPEN, whose sheets have no more than MOST_ROWS. */
static void read_book(const struct source *src, sheets_open open, int64_t most_rows)
{
	struct job job = {.dir = "/nowhere", .spec = json_object_new_object()};
	struct book *book;

	if (open(&job, src, &book) == ERR_OK) {
		fuzz_check(job.problems == NULL && json_len(book_sheets(book)) > 0);
		for (size_t i = 0; i < SHEETS_MET && i < json_len(book_sheets(book)); i++)
			read_sheet(&job, src, book, i, most_rows);
		book_close(book);
	} else {
		fuzz_check(json_len(job.problems) == 1);
	}
	json_object_put(job.spec);
	json_object_put(job.problems);
	json_object_put(job.warnings);
}

#endif
