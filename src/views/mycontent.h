/*
 * Writing data items: what mycontent*.c share.
 * Source: contracts/datas.md 9.
 */
#ifndef SLIPWAY_VIEWS_MYCONTENT_H
#define SLIPWAY_VIEWS_MYCONTENT_H

#include "views/datas.h"

/* A client's entities (an array; NULL: none) as the catalogue takes them.  ERR_BAD_REQUEST: no such
 * user or group, ….  Caller frees. */
enum err mycontent_entities(struct call *, const json_object *list, json_object **ret);
/* [12,"13"] as ids: at least one, at most DATAS_LIST_MAX.  Owns: caller frees *RET. */
enum err mycontent_ids(struct call *, const json_object *list, int64_t **ret, size_t *ret_n);
/* An error of the catalogue about item BAD, in words. */
enum err mycontent_refused(struct call *, enum err err, int64_t bad);
/* {"childID":"12",…}: what a creation or an upload is answered. */
enum err mycontent_post_result(struct call *, int status, int64_t id);

/* ---- mycontent_publish.c */

/* Item ID has another file now: if it was published, that one is imported in its place. */
void mycontent_publish_again(struct call *, int64_t id);

/* ---- mycontent_file.c: the upload behind an item */

/*
 * Make what an item says agree with what became of its upload, after a crash or an expiry.  *MODEL
 * (read by datas_find) is read again when something changed.
 */
enum err mycontent_heal(struct call *, json_object **model);
/* The upload that is being filled, by an item's notes: "" = none. */
const char *mycontent_filling(const json_object *model);
/* Item MODEL is gone: its uploads and files, too. */
void mycontent_drop_files(struct call *, const json_object *model);

#endif
