/*
 * Inside of xls: the records of its stream.  Source: [MS-XLS] 2.4.
 */
#ifndef SLIPWAY_GEO_XLS_IMPL_H
#define SLIPWAY_GEO_XLS_IMPL_H

#include "geo/ole.h"
#include "geo/sheet_impl.h"

#define XLS_TEXT_MAX 65535 /* characters of one text, by its 16-bit count */

enum xls_record {
	XLS_FORMULA = 0x0006,
	XLS_EOF = 0x000A,
	XLS_DATEMODE = 0x0022,
	XLS_FILEPASS = 0x002F,
	XLS_CONTINUE = 0x003C,
	XLS_CODEPAGE = 0x0042,
	XLS_BOUNDSHEET = 0x0085,
	XLS_MULRK = 0x00BD,
	XLS_RSTRING = 0x00D6,
	XLS_XF = 0x00E0,
	XLS_MERGECELLS = 0x00E5,
	XLS_SST = 0x00FC,
	XLS_LABELSST = 0x00FD,
	XLS_DIMENSIONS = 0x0200,
	XLS_NUMBER = 0x0203,
	XLS_LABEL = 0x0204,
	XLS_BOOLERR = 0x0205,
	XLS_STRING = 0x0207,
	XLS_RK = 0x027E,
	XLS_FORMAT = 0x041E,
	XLS_BOF = 0x0809
};

/* A place in the stream. */
struct biff {
	struct ole *ole;
	int64_t at;  /* the next byte */
	uint16_t id; /* of the record at hand, enum xls_record among others */
	size_t left; /* bytes of it not taken yet */
};

struct xls {
	struct ole *ole;
	bool unicode;	     /* Excel 97 and later; else bytes of CHARSET */
	const char *charset; /* static */
	uint16_t *units;     /* XLS_TEXT_MAX, of the text at hand */
	char *text;	     /* of XLS_TEXT_MAX characters in UTF-8 */
	size_t text_len;
};

/* The next record, wherever in the one at hand; false: the stream ends. */
bool biff_next(struct biff *);
/* LEN bytes of the record at hand, which must hold them. */
bool biff_get(struct biff *, void *buf, size_t len);
/*
 * A text of N characters with its flags before it (where the file is Unicode) into XLS's text.  It
 * may go on in records that continue this one.
 */
bool biff_text(struct biff *, struct xls *, size_t n);

#endif
