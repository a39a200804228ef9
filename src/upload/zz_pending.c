/*
 * Stands in, uncommitted, for functions of upload.h that are being written; to be removed when they are there.
 */
#include "upload/upload.h"
#define W __attribute__((weak))
W enum err uploads_of(struct engine *e, const char *owner, size_t skip, size_t max, struct upload_info **ret, size_t *ret_n, struct error *error) { (void)e;(void)owner;(void)skip;(void)max;(void)ret;*ret_n=0; return error_set(error, ERR_UNAVAILABLE, "not there yet"); }
W enum err upload_claim(struct engine *e, const struct upload_spec *s, bool fresh, struct upload **ret, bool *c, struct error *error) { (void)e;(void)s;(void)fresh;(void)ret;(void)c; return error_set(error, ERR_UNAVAILABLE, "not there yet"); }
W void upload_key(const struct principal *p, const char *a, const char *d, const char *const *f, char out[65]) { (void)p;(void)a;(void)d;(void)f;out[0]=0; }
