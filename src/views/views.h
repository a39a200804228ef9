/*
 * The views, one function a page; and the answers they share.
 */
#ifndef SLIPWAY_VIEWS_VIEWS_H
#define SLIPWAY_VIEWS_VIEWS_H

#include "views/ctx.h"
#include "wizard/session.h"

/* start.c */
view_fn start_view;  /* GET / */
view_fn static_view; /* GET /static/{path:rest} */
view_fn health_view; /* GET /healthz */
view_fn ready_view;  /* GET /readyz */
view_fn about_view;  /* GET /about */

/* login.c */
view_fn login_view;	   /* GET, POST /login, /account/login/ */
view_fn logout_view;	   /* GET, POST /logout */
view_fn first_login_view;  /* GET, POST /first: the one-time link */
view_fn password_view;	   /* GET, POST /account/password */
view_fn account_keys_view; /* GET, POST /account/keys */

/* wizard.c */
view_fn upload_root_view;    /* GET, POST /upload/ */
view_fn slash_view;	     /* /upload and others: the same address with a slash behind it */
view_fn upload_view;	     /* GET, POST /upload/{step} */
view_fn upload_unknown_view; /* anything else below /upload/: 404 */
view_fn upload_cancel_view;  /* POST /upload/cancel */
view_fn upload_retry_view;   /* POST /upload/retry */
view_fn upload_delete_view;  /* GET, POST, DELETE /upload/delete/{id} */

/* progress.c, report.c, crs.c */
view_fn data_upload_progress; /* GET /upload/progress */
view_fn report_view;	      /* GET /upload/report */
view_fn task_log_view;	      /* GET /upload/log */
view_fn crs_view;	      /* GET /upload/crs */
view_fn preview_view;	      /* GET /upload/preview?id=N&layer=i[&srs=code] */

/* files.c, plain.c: tus, IETF, plain uploads; GeoNode's single files */
view_fn files_view;	    /* GET, POST, PUT /files/ */
view_fn files_item_view;    /* GET, PATCH, DELETE, PUT /files/{id} */
view_fn files_options_view; /* OPTIONS of both */
view_fn upload_new_view;    /* POST /upload/new/ */
view_fn upload_remove_view; /* POST, DELETE /upload/remove/{id} */

/* gws.c */
view_fn gws_view;      /* POST /_, /_/{command} */
view_fn gws_idle_view; /* GET, HEAD, OPTIONS there */

/* chunks.c: browser upload libraries */
view_fn chunks_view; /* any method, /chunks, /chunks/{rest:rest} */

/* tasks.c: writes of the signed APIs */
view_fn tasks_view;	  /* GET /tasks/ */
view_fn task_view;	  /* GET /tasks/{id} */
view_fn task_report_view; /* GET /tasks/{id}/report */

/* uploads_api.c */
view_fn api_uploads_view; /* GET /api/v2/uploads/ */
view_fn api_upload_view;  /* GET /api/v2/uploads/{id}/ */
view_fn api_post_view;	  /* POST /api/v2/uploads/upload/ */
view_fn api_size_limits_view;
view_fn api_parallelism_view;

/* dataset.c */
view_fn dataset_view;	       /* GET /datasets/{id} */
view_fn datasets_view;	       /* GET /datasets/ */
view_fn dataset_edit_view;     /* GET, POST /datasets/{id}/edit: dataset_edit.c */
view_fn dataset_delete_view;   /* GET, POST, DELETE /datasets/{id}/delete */
view_fn dataset_download_view; /* GET /datasets/{id}/download?format= */
/* GET /datasets/{id}/{what}: thumbnail.png map.json map.png original */
view_fn dataset_file_view;
view_fn layer_view; /* GET /layers/{name} */

/* supermap_login.c */
view_fn supermap_login_view;   /* POST …/login */
view_fn supermap_logout_view;  /* GET, POST …/logout */
view_fn supermap_tokens_view;  /* GET, POST …/services/security/tokens */
view_fn supermap_account_view; /* GET /iportal/web/mycontent/account */

/* datas.c */
view_fn datas_view;	       /* GET /iportal/web/datas */
view_fn datas_item_view;       /* GET …/datas/{id} */
view_fn datas_imported_view;   /* GET …/datas/checkimportedtorss */
view_fn mycontent_list_view;   /* GET /iportal/web/mycontent/datas */
view_fn datas_download_view;   /* GET …/{id}/download */
view_fn datas_thumbnail_view;  /* GET …/{id}/thumbnail */
view_fn datas_content_view;    /* GET …/{id}/content */
view_fn datas_layers_view;     /* GET …/{id}/datasets, …/{id}/datasets/{name} */
view_fn datas_attributes_view; /* GET, PUT …/{id}/attributes */

/* mycontent.c, mycontent_share.c, mycontent_upload.c */
view_fn mycontent_create_view;	    /* POST /iportal/web/mycontent/datas */
view_fn mycontent_put_view;	    /* PUT …/{id} */
view_fn mycontent_delete_view;	    /* DELETE …/{id} */
view_fn mycontent_delete_many_view; /* POST …/delete */
view_fn mycontent_digest_view;	    /* GET …/{id}/digest */
view_fn mycontent_services_view;    /* GET …/{id}/services */
view_fn mycontent_share_view;	    /* GET, PUT …/{id}/sharesetting */
view_fn mycontent_share_many_view;  /* PUT …/sharesetting */
view_fn mycontent_upload_view;	    /* POST …/{id}/upload, …/{id}/update */
view_fn mycontent_publish_view;	    /* GET, PUT …/{id}/publishstatus */
view_fn mycontent_progress_view;    /* GET …/{id}/progress */

/* uploadtasks.c, uploadtask.c, filemanager.c */
view_fn uploadtasks_view;      /* GET, POST …/filemanager/uploadtasks */
view_fn uploadtask_view;       /* GET, POST …/uploadtasks/{task} */
view_fn filemanager_view;      /* GET …/filemanager */
view_fn filemanager_list_view; /* GET, DELETE …/filemanager/list */

/* dataset_api.c */
view_fn dataset_api_view;	  /* GET, POST /echart/dataset_api/ */
view_fn dataset_api_options_view; /* OPTIONS /echart/dataset_api/ */

/* upload_file_api.c */
view_fn upload_file_api_view; /* POST /etl/api/upload_file_api/ */

/* admin.c, admin_user.c */
view_fn admin_view;	     /* GET, POST /admin/ */
view_fn admin_user_view;     /* GET, POST /admin/user?name= */
view_fn admin_datasets_view; /* GET, POST /admin/datasets/ */
view_fn admin_dataset_view;  /* GET, POST /admin/datasets/dataset?name= */
view_fn admin_account_view;  /* GET, POST /admin/datasets/account?name= */

/* selftest.c */
view_fn selftest_view;	    /* GET, POST /admin/self-test */
view_fn selftest_echo_view; /* any, /admin/self-test/echo */

/* status.c */
view_fn metrics_view; /* GET /metrics */

/* status.c: the family of addresses PATH belongs to */
enum tally_class status_class(const char *path);

#endif
