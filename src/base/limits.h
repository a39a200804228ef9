/*
 * Every quantity a user controls, with its name in the configuration, its default, and the least
 * and most that make sense.  One row a limit: X(field, "section", "key", default, least, most).
 * Least 0: there is such a thing as none;
 * most keeps sums and milliseconds in their types.  Answers to a client name "section.key".
 * Source: contracts/security.md 5, wizard.md 19, transports.md 1.11.
 */
#ifndef SLIPWAY_BASE_LIMITS_H
#define SLIPWAY_BASE_LIMITS_H

#define KIB 1024LL
#define MIB (1024LL * KIB)
#define GIB (1024LL * MIB)

#define SECONDS_MOST (100LL * 365 * 86400)
#define COUNT_MOST   1000000000LL
#define BYTES_MOST   (1024LL * 1024LL * GIB)

#define LIMITS(X)                                                                                  \
	X(request_line_bytes, "limits", "request_line", 16 * KIB, KIB, MIB)                        \
	X(header_bytes, "limits", "header", 32 * KIB, KIB, MIB)                                    \
	X(headers_bytes, "limits", "headers", 64 * KIB, 4 * KIB, 16 * MIB)                         \
	X(form_fields, "limits", "form_fields", 1000, 20, COUNT_MOST)                              \
	X(multipart_parts, "limits", "multipart_parts", 1000, 20, COUNT_MOST)                      \
	X(part_heads, "limits", "part_heads", 16, 4, 1000)                                         \
	X(part_head_line_bytes, "limits", "part_head_line", 8 * KIB, 512, MIB)                     \
	X(part_head_bytes, "limits", "part_head", 16 * KIB, KIB, MIB)                              \
	X(boundary_bytes, "limits", "boundary", 200, 70, KIB)                                      \
	X(preamble_bytes, "limits", "preamble", 4 * KIB, 0, MIB)                                   \
	X(text_field_bytes, "limits", "text_field", 64 * KIB, KIB, GIB)                            \
	X(urlencoded_bytes, "limits", "urlencoded", 64 * KIB, KIB, GIB)                            \
	X(json_body_bytes, "limits", "json_body", 1 * MIB, KIB, GIB)                               \
	X(cookies, "limits", "cookies", 50, 5, 1000)                                               \
	X(cookie_bytes, "limits", "cookie_bytes", 16 * KIB, KIB, MIB)                              \
	X(upload_max_size, "upload", "max_size", 10 * GIB, 1, BYTES_MOST)                          \
	X(upload_max_request, "upload", "max_request", 0, 0, BYTES_MOST)                           \
	X(upload_max_open, "upload", "max_open", 200, 1, COUNT_MOST)                               \
	X(upload_create_rate, "upload", "create_rate", 600, 1, COUNT_MOST)                         \
	X(upload_quota, "upload", "quota", 50 * GIB, 1, BYTES_MOST)                                \
	X(upload_anonymous_quota, "upload", "anonymous_quota", 1 * GIB, 1, BYTES_MOST)             \
	X(upload_max_ranges, "upload", "max_ranges", 10000, 1, COUNT_MOST)                         \
	X(upload_max_parts, "upload", "max_parts", 100000, 1, COUNT_MOST)                          \
	X(upload_max_concat, "upload", "max_concat", 1000, 1, COUNT_MOST)                          \
	X(upload_part_files, "upload", "part_files", 200000, 1, COUNT_MOST)                        \
	X(upload_min_free, "upload", "min_free", 1 * GIB, 0, BYTES_MOST)                           \
	X(upload_min_inodes, "upload", "min_inodes", 1000, 0, COUNT_MOST)                          \
	X(upload_body_idle_s, "upload", "body_idle", 60, 1, 86400)                                 \
	X(upload_lock_wait_s, "upload", "lock_wait", 5, 0, 3600)                                   \
	X(upload_checkpoint, "upload", "checkpoint", 64 * MIB, 64 * KIB, BYTES_MOST)               \
	X(upload_idle_ttl_s, "upload", "idle_ttl", 86400, 1, SECONDS_MOST)                         \
	X(upload_max_ttl_s, "upload", "max_ttl", 7 * 86400, 1, SECONDS_MOST)                       \
	X(upload_complete_ttl_s, "upload", "complete_ttl", 86400, 1, SECONDS_MOST)                 \
	X(upload_tombstone_ttl_s, "upload", "tombstone_ttl", 7 * 86400, 0, SECONDS_MOST)           \
	X(upload_partial_ttl_s, "upload", "partial_ttl", 3600, 1, SECONDS_MOST)                    \
	X(upload_assemble_inline, "upload", "assemble_inline", 1 * GIB, 0, BYTES_MOST)             \
	X(gws_max_request, "gws", "max_request", 10 * MIB, KIB, BYTES_MOST)                        \
	X(iserver_unzip_bytes, "iserver", "unzip_size", 5120 * MIB, 1, BYTES_MOST)                 \
	X(iserver_unzip_s, "iserver", "unzip_timeout", 300, 1, 86400)                              \
	X(iserver_task_keep_s, "iserver", "task_keep", 7 * 86400, 1, SECONDS_MOST)                 \
	X(iserver_takeover_s, "iserver", "takeover_idle", 5, 1, SECONDS_MOST)                      \
	X(iportal_page_max, "iportal", "page_max", 10000, 1, COUNT_MOST)                           \
	X(iportal_body_bytes, "iportal", "max_body", 4 * MIB, KIB, GIB)                            \
	X(iportal_created_keep_s, "iportal", "created_keep", 7 * 86400, 1, SECONDS_MOST)           \
	X(signed_max_body, "signed", "max_body", 16 * MIB, KIB, GIB)                               \
	X(signed_max_file, "signed", "max_file", 1 * GIB, 1, BYTES_MOST)                           \
	X(signed_wait_s, "signed", "wait", 30, 1, 3600)                                            \
	X(signed_lock_wait_s, "signed", "lock_wait", 30, 0, 3600)                                  \
	X(signed_task_keep_s, "signed", "task_keep", 30 * 86400, 1, SECONDS_MOST)                  \
	X(max_session_bytes, "wizard", "max_session_bytes", 2 * GIB, 1, BYTES_MOST)                \
	X(max_files, "wizard", "max_files", 200, 1, COUNT_MOST)                                    \
	X(max_open_sessions, "wizard", "max_open_sessions", 50, 1, COUNT_MOST)                     \
	X(session_expiry_hours, "wizard", "session_expiry_hours", 168, 1, 876000)                  \
	X(inspect_wait_s, "wizard", "inspect_wait_s", 8, 0, 3600)                                  \
	X(final_wait_s, "wizard", "final_wait_s", 8, 0, 3600)                                      \
	X(wait_slots, "wizard", "wait_slots", 2, 0, 1024)                                          \
	X(tasks_per_user, "worker", "tasks_per_user", 2, 1, COUNT_MOST)                            \
	X(tasks_total, "worker", "tasks_total", 0 /* 0 = CPU cores */, 0, 64)                      \
	X(inspect_s, "worker", "inspect_s", 120, 1, 86400)                                         \
	X(import_s, "worker", "import_s", 3600, 1, 7 * 86400)                                      \
	X(worker_idle_s, "worker", "worker_idle_s", 30, 1, SECONDS_MOST)                           \
	X(heartbeat_lost_s, "worker", "heartbeat_lost_s", 60, 5, SECONDS_MOST)                     \
	X(slice_s, "worker", "slice_s", 20, 0, 3600)                                               \
	X(max_attempts, "worker", "max_attempts", 3, 1, 1000)                                      \
	X(zip_max_entries, "jail", "zip_max_entries", 10000, 1, COUNT_MOST)                        \
	X(zip_max_bytes, "jail", "zip_max_bytes", 8 * GIB, 1, BYTES_MOST)                          \
	X(zip_max_ratio, "jail", "zip_max_ratio", 200, 1, COUNT_MOST)                              \
	X(zip_name_bytes, "jail", "zip_name", 1024, 1, MIB)                                        \
	X(zip_depth, "jail", "zip_depth", 64, 1, 1000)                                             \
	X(csv_max_columns, "jail", "csv_max_columns", 2000, 1, COUNT_MOST)                         \
	X(csv_max_cell_bytes, "jail", "csv_max_cell_bytes", 1 * MIB, 1, GIB)                       \
	X(side_file_bytes, "jail", "side_file", 1 * MIB, 1, GIB)                                   \
	X(max_layers, "jail", "max_layers", 100, 1, COUNT_MOST)                                    \
	X(output_max_bytes, "jail", "output_max_bytes", 8 * GIB, 1, BYTES_MOST)                    \
	X(jail_memory, "jail", "memory", 2 * GIB, 256 * MIB, BYTES_MOST)                           \
	X(inspect_cpu_s, "jail", "inspect_cpu", 60, 1, 86400)                                      \
	X(import_cpu_s, "jail", "import_cpu", 3000, 1, 7 * 86400)                                  \
	X(login_idle_s, "login", "idle", 12 * 3600, 1, SECONDS_MOST)                               \
	X(login_max_s, "login", "max", 30 * 86400, 1, SECONDS_MOST)                                \
	X(logins_per_user, "login", "per_user", 50, 1, COUNT_MOST)                                 \
	X(keys_per_user, "login", "keys_per_user", 100, 0, COUNT_MOST)                             \
	X(login_token_min, "login", "token_max", 525600 /* minutes */, 1, 52560000)                \
	X(login_failures, "login", "failures", 10, 1, COUNT_MOST)                                  \
	X(store_wait_ms, "store", "wait_ms", 5000, 100, 600000)                                    \
	X(store_hold_s, "store", "hold_s", 30, 1, 3600)                                            \
	X(store_ballast, "store", "ballast", 32 * MIB, 0, BYTES_MOST)

#endif
