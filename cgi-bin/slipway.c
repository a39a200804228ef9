/*
 * The front: the only web entry, FastCGI or plain CGI.  Its route table is the map of the product.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/child.h"
#include "base/clock.h"
#include "base/descriptors.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/token.h"
#include "signed/writer.h"
#include "views/views.h"

#define GET	METHOD_BIT(METHOD_GET)
#define POST	METHOD_BIT(METHOD_POST)
#define PUT	METHOD_BIT(METHOD_PUT)
#define PATCH	METHOD_BIT(METHOD_PATCH)
#define OPTIONS METHOD_BIT(METHOD_OPTIONS)
#define DELETE	METHOD_BIT(METHOD_DELETE)
#define CHUNKED (GET | POST | PUT | PATCH | DELETE)

/* clang-format off */
static const struct route routes[] = {
	/* path                         methods        login        csrf         body             errors        max  view */
	{ "/",                          GET,           LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  start_view },
	{ "/healthz",                   GET,           LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_PLAIN,  0,  health_view },
	{ "/readyz",                    GET,           LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_PLAIN,  0,  ready_view },
	{ "/metrics",                   GET,           LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_PLAIN,  0,  metrics_view },
	{ "/admin",                     GET,           LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  slash_view },
	{ "/admin/",                    GET | POST,    LOGIN_ADMIN, CSRF_FORM,   BODYRULE_FORM,  STYLE_WIZARD, 0,  admin_view },
	{ "/admin/user",                GET | POST,    LOGIN_ADMIN, CSRF_FORM,   BODYRULE_FORM,  STYLE_WIZARD, 0,  admin_user_view },
	{ "/admin/datasets",            GET,           LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  slash_view },
	{ "/admin/datasets/",           GET | POST,    LOGIN_ADMIN, CSRF_FORM,   BODYRULE_FORM,  STYLE_WIZARD, 0,  admin_datasets_view },
	{ "/admin/datasets/dataset",    GET | POST,    LOGIN_ADMIN, CSRF_FORM,   BODYRULE_FORM,  STYLE_WIZARD, 0,  admin_dataset_view },
	{ "/admin/datasets/account",    GET | POST,    LOGIN_ADMIN, CSRF_FORM,   BODYRULE_FORM,  STYLE_WIZARD, 0,  admin_account_view },
	{ "/admin/self-test",           GET | POST,    LOGIN_ADMIN, CSRF_FORM,   BODYRULE_FORM,  STYLE_WIZARD, 0,  selftest_view },
	{ "/admin/self-test/echo",      CHUNKED,       LOGIN_ADMIN, CSRF_NONE,   BODYRULE_RAW,   STYLE_WIZARD, -1, selftest_echo_view },
	{ "/about",                     GET,           LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  about_view },
	{ "/static/{path:rest}",        GET,           LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_PLAIN,  0,  static_view },
	{ "/login",                     GET | POST,    LOGIN_NONE,  CSRF_FORM,   BODYRULE_FORM,  STYLE_WIZARD, 0,  login_view },
	{ "/account/login/",            GET | POST,    LOGIN_NONE,  CSRF_FORM,   BODYRULE_FORM,  STYLE_WIZARD, 0,  login_view },
	{ "/logout",                    GET | POST,    LOGIN_NONE,  CSRF_FORM,   BODYRULE_FORM,  STYLE_WIZARD, 0,  logout_view },
	{ "/first",                     GET | POST,    LOGIN_NONE,  CSRF_FORM,   BODYRULE_FORM,  STYLE_WIZARD, 0,  first_login_view },
	{ "/account/password",          GET | POST,    LOGIN_USER,  CSRF_FORM,   BODYRULE_FORM,  STYLE_WIZARD, 0,  password_view },
	{ "/account/keys",              GET | POST,    LOGIN_USER,  CSRF_FORM,   BODYRULE_FORM,  STYLE_WIZARD, 0,  account_keys_view },
	/* the wizard */
	{ "/upload",                    GET | POST,    LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  slash_view },
	{ "/upload/",                   GET | POST,    LOGIN_USER,  CSRF_FORM,   BODYRULE_FILES, STYLE_WIZARD, -1, upload_root_view },
	{ "/upload/progress",           GET,           LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  data_upload_progress },
	{ "/upload/cancel",             POST,          LOGIN_USER,  CSRF_FORM,   BODYRULE_FORM,  STYLE_WIZARD, 0,  upload_cancel_view },
	{ "/upload/retry",              POST,          LOGIN_USER,  CSRF_FORM,   BODYRULE_FORM,  STYLE_WIZARD, 0,  upload_retry_view },
	{ "/upload/crs",                GET,           LOGIN_USER,  CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  crs_view },
	{ "/upload/preview",            GET,           LOGIN_USER,  CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  preview_view },
	{ "/upload/report",             GET,           LOGIN_USER,  CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  report_view },
	{ "/upload/log",                GET,           LOGIN_ADMIN, CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  task_log_view },
	{ "/upload/delete/{id}",        GET | POST | DELETE, LOGIN_USER, CSRF_FORM, BODYRULE_FORM, STYLE_WIZARD, 0, upload_delete_view },
	{ "/upload/new/",               POST,          LOGIN_USER,  CSRF_FORM,   BODYRULE_FILES, STYLE_WIZARD, -1, upload_new_view },
	{ "/upload/remove/{id}",        POST | DELETE, LOGIN_USER,  CSRF_FORM,   BODYRULE_FORM,  STYLE_WIZARD, 0,  upload_remove_view },
	{ "/upload/{step:alpha}",       GET | POST,    LOGIN_USER,  CSRF_FORM,   BODYRULE_FORM,  STYLE_WIZARD, 0,  upload_view },
	{ "/upload/{rest:rest}",        GET | POST,    LOGIN_USER,  CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  upload_unknown_view },
	/* GeoNode's router takes each of these with and without the last slash. */
	{ "/api/v2/uploads",            GET,           LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  api_uploads_view },
	{ "/api/v2/uploads/",           GET,           LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  api_uploads_view },
	{ "/api/v2/uploads/upload",     POST,          LOGIN_USER,  CSRF_FORM,   BODYRULE_FILES, STYLE_WIZARD, -1, api_post_view },
	{ "/api/v2/uploads/upload/",    POST,          LOGIN_USER,  CSRF_FORM,   BODYRULE_FILES, STYLE_WIZARD, -1, api_post_view },
	{ "/api/v2/uploads/{id}",       GET,           LOGIN_USER,  CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  api_upload_view },
	{ "/api/v2/uploads/{id}/",      GET,           LOGIN_USER,  CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  api_upload_view },
	{ "/api/v2/upload-size-limits",              GET, LOGIN_NONE, CSRF_NONE, BODYRULE_NONE,  STYLE_WIZARD, 0,  api_size_limits_view },
	{ "/api/v2/upload-size-limits/",             GET, LOGIN_NONE, CSRF_NONE, BODYRULE_NONE,  STYLE_WIZARD, 0,  api_size_limits_view },
	{ "/api/v2/upload-size-limits/{slug}",       GET, LOGIN_NONE, CSRF_NONE, BODYRULE_NONE,  STYLE_WIZARD, 0,  api_size_limits_view },
	{ "/api/v2/upload-size-limits/{slug}/",      GET, LOGIN_NONE, CSRF_NONE, BODYRULE_NONE,  STYLE_WIZARD, 0,  api_size_limits_view },
	{ "/api/v2/upload-parallelism-limits",       GET, LOGIN_NONE, CSRF_NONE, BODYRULE_NONE,  STYLE_WIZARD, 0,  api_parallelism_view },
	{ "/api/v2/upload-parallelism-limits/",      GET, LOGIN_NONE, CSRF_NONE, BODYRULE_NONE,  STYLE_WIZARD, 0,  api_parallelism_view },
	/* uploads: tus, IETF, plain */
	{ "/files",                     OPTIONS,       LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_FILES,  0,  files_options_view },
	{ "/files",                     GET | POST | PUT, LOGIN_USER, CSRF_ORIGIN, BODYRULE_RAW, STYLE_FILES,  -1, files_view },
	{ "/files/",                    OPTIONS,       LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_FILES,  0,  files_options_view },
	{ "/files/",                    GET | POST | PUT, LOGIN_USER, CSRF_ORIGIN, BODYRULE_RAW, STYLE_FILES,  -1, files_view },
	{ "/files/{id}",                OPTIONS,       LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_FILES,  0,  files_options_view },
	{ "/files/{id}",                GET | PATCH | DELETE | PUT, LOGIN_USER, CSRF_ORIGIN, BODYRULE_RAW, STYLE_FILES, -1, files_item_view },
	{ "/files/{id}/",               OPTIONS,       LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_FILES,  0,  files_options_view },
	{ "/files/{id}/",               GET | PATCH | DELETE | PUT, LOGIN_USER, CSRF_ORIGIN, BODYRULE_RAW, STYLE_FILES, -1, files_item_view },
	/* browser upload libraries */
	{ "/chunks",                    CHUNKED,       LOGIN_USER,  CSRF_ORIGIN, BODYRULE_RAW,   STYLE_CHUNKS, -1, chunks_view },
	{ "/chunks/",                   CHUNKED,       LOGIN_USER,  CSRF_ORIGIN, BODYRULE_RAW,   STYLE_CHUNKS, -1, chunks_view },
	{ "/chunks/{rest:rest}",        CHUNKED,       LOGIN_USER,  CSRF_ORIGIN, BODYRULE_RAW,   STYLE_CHUNKS, -1, chunks_view },
	/* GBD WebSuite's commands */
	{ "/_",                         POST,          LOGIN_USER,  CSRF_ORIGIN, BODYRULE_RAW,   STYLE_GWS,    -1, gws_view },
	{ "/_",                         GET | OPTIONS, LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_GWS,    0,  gws_idle_view },
	{ "/_/",                        POST,          LOGIN_USER,  CSRF_ORIGIN, BODYRULE_RAW,   STYLE_GWS,    -1, gws_view },
	{ "/_/",                        GET | OPTIONS, LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_GWS,    0,  gws_idle_view },
	{ "/_/{command:rest}",          POST,          LOGIN_USER,  CSRF_ORIGIN, BODYRULE_RAW,   STYLE_GWS,    -1, gws_view },
	{ "/_/{command:rest}",          GET | OPTIONS, LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_GWS,    0,  gws_idle_view },
	/* datasets */
	{ "/datasets",                  GET,           LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  slash_view },
	{ "/datasets/",                 GET,           LOGIN_READER, CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  datasets_view },
	{ "/datasets/{id:int}",         GET,           LOGIN_READER, CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  dataset_view },
	{ "/datasets/{id:int}/download", GET,          LOGIN_READER, CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  dataset_download_view },
	{ "/datasets/{id:int}/edit",    GET | POST,    LOGIN_USER,  CSRF_FORM,   BODYRULE_FORM,  STYLE_WIZARD, 0,  dataset_edit_view },
	{ "/datasets/{id:int}/delete",  GET | POST | DELETE, LOGIN_USER, CSRF_FORM, BODYRULE_FORM, STYLE_WIZARD, 0, dataset_delete_view },
	{ "/datasets/{id:int}/original/{n:int}", GET,  LOGIN_READER, CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  dataset_file_view },
	{ "/datasets/{id:int}/{what}",  GET,           LOGIN_READER, CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  dataset_file_view },
	/* writes of programs */
	{ "/tasks",                     GET,           LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  slash_view },
	{ "/tasks/",                    GET,           LOGIN_USER,  CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  tasks_view },
	{ "/tasks/{id:int}",            GET,           LOGIN_USER,  CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  task_view },
	{ "/tasks/{id:int}/report",     GET,           LOGIN_USER,  CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  task_report_view },
	/* SuperMap's clients: canonical paths, see views/supermap.h */
	{ "/iserver/services/security/login",  POST,       LOGIN_NONE, CSRF_ORIGIN, BODYRULE_RAW, STYLE_SUPERMAP, 0, supermap_login_view },
	{ "/iportal/web/login",                POST,       LOGIN_NONE, CSRF_ORIGIN, BODYRULE_RAW, STYLE_SUPERMAP, 0, supermap_login_view },
	{ "/iserver/services/security/logout", GET | POST, LOGIN_NONE, CSRF_ORIGIN, BODYRULE_NONE, STYLE_SUPERMAP, 0, supermap_logout_view },
	{ "/iportal/web/logout",               GET | POST, LOGIN_NONE, CSRF_ORIGIN, BODYRULE_NONE, STYLE_SUPERMAP, 0, supermap_logout_view },
	{ "/iportal/services/security/logout", GET | POST, LOGIN_NONE, CSRF_ORIGIN, BODYRULE_NONE, STYLE_SUPERMAP, 0, supermap_logout_view },
	{ "/iserver/services/security/tokens", GET | POST, LOGIN_NONE, CSRF_NONE,   BODYRULE_RAW, STYLE_SUPERMAP, 0, supermap_tokens_view },
	{ "/iportal/services/security/tokens", GET | POST, LOGIN_NONE, CSRF_NONE,   BODYRULE_RAW, STYLE_SUPERMAP, 0, supermap_tokens_view },
	{ "/iserver/manager/filemanager",      GET,        LOGIN_MANAGER, CSRF_NONE, BODYRULE_RAW, STYLE_SUPERMAP, 0, filemanager_view },
	{ "/iserver/manager/filemanager/list", GET | DELETE, LOGIN_MANAGER, CSRF_ORIGIN, BODYRULE_RAW, STYLE_SUPERMAP, 0, filemanager_list_view },
	{ "/iserver/manager/filemanager/uploadtasks", GET | POST, LOGIN_MANAGER, CSRF_ORIGIN, BODYRULE_RAW, STYLE_SUPERMAP, 0, uploadtasks_view },
	{ "/iserver/manager/filemanager/uploadtasks/{task}", GET | POST, LOGIN_MANAGER, CSRF_ORIGIN, BODYRULE_RAW, STYLE_SUPERMAP, -1, uploadtask_view },
	{ "/iportal/web/mycontent/account",    GET,        LOGIN_USER, CSRF_NONE,   BODYRULE_NONE, STYLE_SUPERMAP, 0, supermap_account_view },
	{ "/iportal/web/datas",                GET,        LOGIN_NONE, CSRF_NONE,   BODYRULE_RAW, STYLE_SUPERMAP, 0, datas_view },
	{ "/iportal/web/datas/checkimportedtorss", GET,    LOGIN_NONE, CSRF_NONE,   BODYRULE_RAW, STYLE_SUPERMAP, 0, datas_imported_view },
	{ "/iportal/web/datas/{id}",           GET,        LOGIN_NONE, CSRF_NONE,   BODYRULE_NONE, STYLE_SUPERMAP, 0, datas_item_view },
	{ "/iportal/web/datas/{id}/download",  GET,        LOGIN_NONE, CSRF_NONE,   BODYRULE_NONE, STYLE_SUPERMAP, 0, datas_download_view },
	{ "/iportal/web/datas/{id}/thumbnail", GET,        LOGIN_NONE, CSRF_NONE,   BODYRULE_NONE, STYLE_SUPERMAP, 0, datas_thumbnail_view },
	{ "/iportal/web/datas/{id}/attributes", GET,       LOGIN_NONE, CSRF_NONE,   BODYRULE_NONE, STYLE_SUPERMAP, 0, datas_attributes_view },
	{ "/iportal/web/datas/{id}/attributes", PUT,       LOGIN_USER, CSRF_ORIGIN, BODYRULE_RAW, STYLE_SUPERMAP, 0, datas_attributes_view },
	{ "/iportal/web/mycontent/datas",      GET,        LOGIN_USER, CSRF_NONE,   BODYRULE_RAW, STYLE_SUPERMAP, 0, mycontent_list_view },
	{ "/iportal/web/mycontent/datas", POST, LOGIN_USER, CSRF_ORIGIN, BODYRULE_RAW, STYLE_SUPERMAP, 0, mycontent_create_view },
	{ "/iportal/web/mycontent/datas/delete", POST, LOGIN_USER, CSRF_ORIGIN, BODYRULE_RAW, STYLE_SUPERMAP, 0, mycontent_delete_many_view },
	{ "/iportal/web/mycontent/datas/sharesetting", PUT, LOGIN_USER, CSRF_ORIGIN, BODYRULE_RAW, STYLE_SUPERMAP, 0, mycontent_share_many_view },
	{ "/iportal/web/mycontent/datas/{id}", GET, LOGIN_USER, CSRF_NONE, BODYRULE_NONE, STYLE_SUPERMAP, 0, datas_item_view },
	{ "/iportal/web/mycontent/datas/{id}", PUT, LOGIN_USER, CSRF_ORIGIN, BODYRULE_RAW, STYLE_SUPERMAP, 0, mycontent_put_view },
	{ "/iportal/web/mycontent/datas/{id}", DELETE, LOGIN_USER, CSRF_ORIGIN, BODYRULE_NONE, STYLE_SUPERMAP, 0, mycontent_delete_view },
	{ "/iportal/web/mycontent/datas/{id}/upload", POST, LOGIN_USER, CSRF_ORIGIN, BODYRULE_RAW, STYLE_SUPERMAP, -1, mycontent_upload_view },
	{ "/iportal/web/mycontent/datas/{id}/update", POST, LOGIN_USER, CSRF_ORIGIN, BODYRULE_RAW, STYLE_SUPERMAP, -1, mycontent_upload_view },
	{ "/iportal/web/mycontent/datas/{id}/publishstatus", GET | PUT, LOGIN_USER, CSRF_ORIGIN, BODYRULE_RAW, STYLE_SUPERMAP, 0, mycontent_publish_view },
	{ "/iportal/web/mycontent/datas/{id}/progress", GET, LOGIN_USER, CSRF_NONE, BODYRULE_NONE, STYLE_SUPERMAP, 0, mycontent_progress_view },
	{ "/iportal/web/mycontent/datas/{id}/digest", GET, LOGIN_USER, CSRF_NONE, BODYRULE_NONE, STYLE_SUPERMAP, 0, mycontent_digest_view },
	{ "/iportal/web/mycontent/datas/{id}/services", GET, LOGIN_USER, CSRF_NONE, BODYRULE_NONE, STYLE_SUPERMAP, 0, mycontent_services_view },
	{ "/iportal/web/mycontent/datas/{id}/sharesetting", GET | PUT, LOGIN_USER, CSRF_ORIGIN, BODYRULE_RAW, STYLE_SUPERMAP, 0, mycontent_share_view },
	{ "/iportal/web/mycontent/datas/{id}/download", GET, LOGIN_USER, CSRF_NONE, BODYRULE_NONE, STYLE_SUPERMAP, 0, datas_download_view },
	{ "/iportal/web/mycontent/datas/{id}/thumbnail", GET, LOGIN_USER, CSRF_NONE, BODYRULE_NONE, STYLE_SUPERMAP, 0, datas_thumbnail_view },
	{ "/iportal/web/mycontent/datas/{id}/attributes", GET | PUT, LOGIN_USER, CSRF_ORIGIN, BODYRULE_RAW, STYLE_SUPERMAP, 0, datas_attributes_view },
	{ "/iportal/web/datas/{id}/content", GET, LOGIN_NONE, CSRF_NONE, BODYRULE_NONE, STYLE_SUPERMAP, 0, datas_content_view },
	{ "/iportal/web/datas/{id}/datasets", GET, LOGIN_NONE, CSRF_NONE, BODYRULE_NONE, STYLE_SUPERMAP, 0, datas_layers_view },
	{ "/iportal/web/datas/{id}/datasets/{name}", GET, LOGIN_NONE, CSRF_NONE, BODYRULE_NONE, STYLE_SUPERMAP, 0, datas_layers_view },
	{ "/iportal/web/mycontent/datas/{id}/content", GET, LOGIN_USER, CSRF_NONE, BODYRULE_NONE, STYLE_SUPERMAP, 0, datas_content_view },
	{ "/iportal/web/mycontent/datas/{id}/datasets", GET, LOGIN_USER, CSRF_NONE, BODYRULE_NONE, STYLE_SUPERMAP, 0, datas_layers_view },
	{ "/iportal/web/mycontent/datas/{id}/datasets/{name}", GET, LOGIN_USER, CSRF_NONE, BODYRULE_NONE, STYLE_SUPERMAP, 0, datas_layers_view },
	/* signed writes */
	{ "/echart/dataset_api",        GET | POST,    LOGIN_NONE,  CSRF_NONE,   BODYRULE_RAW,   STYLE_SIGNED, -1, dataset_api_view },
	{ "/echart/dataset_api",        OPTIONS,       LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_SIGNED, 0,  dataset_api_options_view },
	{ "/echart/dataset_api/",       GET | POST,    LOGIN_NONE,  CSRF_NONE,   BODYRULE_RAW,   STYLE_SIGNED, -1, dataset_api_view },
	{ "/echart/dataset_api/",       OPTIONS,       LOGIN_NONE,  CSRF_NONE,   BODYRULE_NONE,  STYLE_SIGNED, 0,  dataset_api_options_view },
	{ "/etl/api/upload_file_api",   POST,          LOGIN_NONE,  CSRF_NONE,   BODYRULE_RAW,   STYLE_SIGNED, -1, upload_file_api_view },
	{ "/etl/api/upload_file_api/",  POST,          LOGIN_NONE,  CSRF_NONE,   BODYRULE_RAW,   STYLE_SIGNED, -1, upload_file_api_view },
	{ "/layers/{name}",             GET,           LOGIN_READER, CSRF_NONE,   BODYRULE_NONE,  STYLE_WIZARD, 0,  layer_view },
};
/* clang-format on */

static void on_term(int sig)
{
	(void)sig;
	store_stop();
	engine_stop();
	transport_stop();
}

/*
 * The keeper of this process has others: finish all requests, however long their bodies, then end.
 */
static void on_finish(int sig)
{
	(void)sig;
	transport_finish();
}

/* What every process of ours does first: no core dumps, no group files, no deadly SIGPIPE. */
static void set_up_process(void)
{
	struct rlimit none = {0, 0};
	struct sigaction term = {.sa_handler = on_term, .sa_flags = SA_RESTART},
			 ignore = {.sa_handler = SIG_IGN},
			 finish = {.sa_handler = on_finish, .sa_flags = SA_RESTART},
			 reap = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
	(void)umask(077);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
	sigaction(SIGTERM, &term, NULL);
	sigaction(SIGINT, &term, NULL);
	sigaction(SIGUSR1, &finish, NULL); /* libfcgi's word for "finish" */
	sigaction(SIGHUP, &finish, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGCHLD, &reap, NULL); /* workers outlive us and leave no zombies */
}

/* The server's secret: 32 random bytes, made once; whoever comes second reads the first one's. */
static enum err read_secret(const struct config *c, unsigned char secret[32], struct error *error)
{
	CLEAN_FREE char *path = mem_printf("%s/secret", c->data_dir);
	for (int tries = 0; tries < 50; tries++) {
		CLEAN_FREE char *text = NULL;
		size_t len = 0;
		if (fs_read_file(AT_FDCWD, path, 64, &text, &len, NULL) == ERR_OK && len == 32) {
			memcpy(secret, text, 32);
			return ERR_OK;
		}
		char random[17];
		token_bytes(secret, 32);
		token_hex(random, 16);
		CLEAN_FREE char *temp = mem_printf("%s.%s", path, random);
		CLEAN_FD int fd = fs_create(AT_FDCWD, temp);
		if (fd < 0)
			return error_errno(error, ERR_IO, "secret");
		bool made = write(fd, secret, 32) == 32 && fsync(fd) == 0 && link(temp, path) == 0;
		(void)unlink(temp);
		if (!made && errno != EEXIST)
			return error_errno(error, ERR_IO, "secret");
	}
	return error_set(error, ERR_IO, "secret: unreadable");
}

/*
 * FastCGI has no passwords: who reaches the socket is believed.  A TCP socket of ours must be on
 * loopback.
 */
static bool heard_from_outside(void)
{
	struct sockaddr_storage a = {0};
	socklen_t len = sizeof(a);
	if (getsockname(STDIN_FILENO, (struct sockaddr *)&a, &len) != 0)
		return false;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a;
	if (a.ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 != 127;
	return a.ss_family == AF_INET6 && !IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

/* Enough for all threads?  Fewer do, as long as few of them are busy at once. */
static enum err allow_files(const struct config *c, bool keep, struct error *error)
{
	int64_t limit = 0, wanted = DESCRIPTORS_OWN + c->threads * DESCRIPTORS_REQUEST;
	enum err err = descriptors_allow(&limit, error);

	if (err == ERR_OK && keep && limit < wanted)
		log_line(LOG_LEVEL_WARN, NULL,
			 "only %lld open files are allowed: %lld threads may need %lld",
			 (long long)limit, (long long)c->threads, (long long)wanted);
	return err;
}

static enum err open_all(struct ctx *ctx, bool keep, struct error *error)
{
	const struct config *c = ctx->config;
	CLEAN_FREE char *crs = mem_printf("%s/crs.index", c->data_dir);
	enum err err = allow_files(c, keep, error);
	if (err == ERR_OK)
		err = store_open(c, keep, &ctx->store, error);
	if (err == ERR_OK)
		err = read_secret(c, ctx->secret, error);
	if (err == ERR_OK)
		err = engine_open(c, ctx->store, &ctx->engine, error);
	if (err == ERR_OK)
		err = catalog_open(c, &ctx->catalog, error);
	if (err == ERR_OK)
		err = keep ? pages_load(c->template_dir, &ctx->pages, error) : ERR_OK;
	if (err == ERR_OK && !keep)
		ctx->pages = pages_later(c->template_dir);
	if (err == ERR_OK && crs_index_open(crs, &ctx->crs, NULL) != ERR_OK)
		log_line(LOG_LEVEL_WARN, NULL, "no CRS index: run `slipway crs-index`");
	return err;
}

/*
 * Without settings or a store there is still an answer: a web server's bare 500 tells nobody
 * anything.
 */
static const char sorry_text[] = "Status: 503 Service Unavailable\r\nContent-Type: text/plain; "
				 "charset=utf-8\r\nRetry-After: 5\r\n"
				 "X-Slipway: 1\r\nX-Content-Type-Options: nosniff\r\n\r\n"
				 "Slipway cannot work just now. The log says why.\n";

/*
 * A process that could not start, and tries again while requests come: its disk was full or not
 * mounted yet, say.
 */
struct late {
	struct ctx *ctx;
	pthread_mutex_t mutex; /* guards what follows but the last */
	int64_t tried;	       /* clock_mono_ms */
	atomic_bool open;      /* all of CTX is there */
};

#define AGAIN_MS 5000 /* as Retry-After of sorry_text has it */

static void close_all(struct ctx *ctx)
{
	crs_index_close(ctx->crs);
	pages_free(ctx->pages);
	catalog_close(ctx->catalog);
	engine_close(ctx->engine);
	store_close(ctx->store);
	ctx->crs = NULL;
	ctx->pages = NULL;
	ctx->catalog = NULL;
	ctx->engine = NULL;
	ctx->store = NULL;
}

static void try_again(struct late *late)
{
	struct error error = {0};

	(void)pthread_mutex_lock(&late->mutex);
	if (!atomic_load(&late->open) && clock_mono_ms() - late->tried >= AGAIN_MS) {
		enum err err = open_all(late->ctx, true, &error);

		if (err == ERR_OK) {
			/* Where there was no place for it, sums went nowhere. */
			tally_close(late->ctx->tally);
			late->ctx->tally = tally_open(late->ctx->config->data_dir);
			log_line(LOG_LEVEL_INFO, NULL, "started after all");
		} else {
			close_all(late->ctx);
		}
		late->tried = clock_mono_ms();
		atomic_store(&late->open, err == ERR_OK);
	}
	(void)pthread_mutex_unlock(&late->mutex);
}

static void serve_late(struct wire *wire, void *arg)
{
	struct late *late = arg;

	if (!atomic_load(&late->open))
		try_again(late);
	if (atomic_load(&late->open))
		dispatch(wire, late->ctx);
	else
		(void)wire_write(wire, sorry_text, sizeof(sorry_text) - 1);
}

/* Answers until told to stop; STARTED: all of CTX is there. */
static enum err serve(struct ctx *ctx, bool started, struct error *error)
{
	struct late late = {
	    .ctx = ctx, .mutex = PTHREAD_MUTEX_INITIALIZER, .tried = clock_mono_ms()};

	if (started)
		return transport_serve(ctx->config, dispatch, ctx, error);
	close_all(ctx);
	return transport_serve(ctx->config, serve_late, &late, error);
}

/*
 * Of a process started for one request the arguments are no options; whoever wrote others is told.
 */
static bool read_options(int argc, char **argv, bool of_web, const char **ret_file)
{
	*ret_file = NULL;
	if (of_web || argc == 1)
		return true;
	if (argc == 3 && strcmp(argv[1], "--config") == 0)
		*ret_file = argv[2];
	else
		(void)fputs("usage: slipway.fcgi [--config FILE]\n", stderr);
	return *ret_file != NULL;
}

int main(int argc, char **argv)
{
	struct ctx ctx = {.routes = routes, .n_routes = sizeof(routes) / sizeof(*routes)};
	struct config *config = NULL;
	struct error error = {0};
	const char *file;
	bool of_web = child_of_web();

	if (!read_options(argc, argv, of_web, &file))
		return 2;
	set_up_process();
	log_open("slipway.fcgi", NULL);
	enum err err = config_load(file, getenv("SLIPWAY_DATA_DIR"), argv[0], &config, &error);
	if (err != ERR_OK) {
		log_line(LOG_LEVEL_ERROR, NULL, "%s", error.text);
		if (of_web)
			(void)fputs(sorry_text, stdout);
		return of_web ? 0 : 2;
	}
	log_json(config->log_json);
	if (config->log_file != NULL)
		log_open("slipway.fcgi", config->log_file);
	const char *supervised = getenv("SLIPWAY_SUPERVISED");
	if (supervised != NULL) {
		config->worker_spawn = false; /* `slipway serve` keeps the worker running */
		config->slice_s = 0;
	}
	if (heard_from_outside()) {
		log_line(
		    LOG_LEVEL_ERROR, NULL,
		    "the FastCGI socket is open to the network: use a Unix socket, or 127.0.0.1");
		config_free(config);
		return 2;
	}
	ctx.config = config;
	ctx.cgi = transport_is_cgi();
	ctx.targets = targets_open(config);
	ctx.tally = tally_open(config->data_dir);
	err = open_all(&ctx, !ctx.cgi, &error);
	if (err != ERR_OK)
		log_line(LOG_LEVEL_ERROR, NULL, "cannot start: %s", error.text);
	/* Of a reload: the fronts before us go on when we end, and have no use for an apology. */
	if (err != ERR_OK && supervised != NULL && strcmp(supervised, "proving") == 0)
		return 1;
	err = serve(&ctx, err == ERR_OK, &error);
	if (err != ERR_OK)
		log_line(LOG_LEVEL_ERROR, NULL, "%s", error.text);
	targets_close(ctx.targets);
	tally_close(ctx.tally);
	close_all(&ctx);
	config_free(config);
	return err == ERR_OK ? 0 : 1;
}
