/*
 * slipway-geo: the jail.  One process, one job: acquire with privilege, drop, then touch hostile
 * bytes.
 *
 *   slipway-geo --job DIR         one job on DIR/in, results in DIR/out
 *   slipway-geo                   answers questions about coordinate reference systems until end of
 *   input
 *   slipway-geo --crs-index FILE  writes the index the front searches
 *   slipway-geo --version
 */
#include <fcntl.h>
#include <gdal.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "base/child.h"
#include "base/fs.h"
#include "base/mem.h"
#include "geo/crs_export.h"
#include "geo/driver.h"
#include "geo/job.h"
#include "geo/sandbox.h"
#include "wizard/message.h"

#define CPU_FOREVER (365 * 86400) /* questions: the asker ends us */

static int complain(const struct error *error)
{
	(void)fprintf(stderr, "slipway-geo: %s\n",
		      error->text[0] != '\0' ? error->text : err_name(error->err));
	return 1;
}

static int send_message(json_object *message)
{
	struct error error = {0};
	enum err e;

	job_clean_text(message);
	e = frame_write(STDOUT_FILENO, message, &error);
	json_object_put(message);
	return e == ERR_OK ? 0 : complain(&error);
}

static int send_ready(int level)
{
	json_object *ready = json_object_new_object();

	json_set_str(ready, "type", "ready");
	json_set_int(ready, "level", level);
	json_set_str(ready, "gdal", GDALVersionInfo("RELEASE_NAME"));
	json_set_str(ready, "proj", driver_proj_version());
	return send_message(ready);
}

static int send_failed(struct job *job)
{
	json_object *failed = json_object_new_object();

	if (json_len(job->problems) == 0)
		(void)job_fail(job,
			       problem_new(strcmp(json_str(job->spec, "task", ""), "inspect") == 0
					       ? "inspect_"
						 "failed"
					       : "import_"
						 "faile"
						 "d"));
	json_set_str(failed, "type", "failed");
	json_set(failed, "problems", json_object_get(job->problems));
	json_set_str(failed, "detail", job->detail);
	return send_message(failed);
}

/* The files as the job names them: "1.shp" below in/, nothing that leads elsewhere. */
static bool take_files(struct job *job)
{
	json_object *files = json_arr(job->spec, "files"), *file;
	size_t i = 0;

	job->n_files = json_len(files);
	job->files = mem_array(job->n_files + 1, sizeof(*job->files));
	JSON_EACH(file, files)
	{
		const char *path = json_str(file, "path", "");
		struct job_file *f = &job->files[i++];
		int len;

		if (path[0] == '\0' || path[0] == '.' || strchr(path, '/') != NULL)
			return false;
		f->n = (int)json_int(file, "n", (int64_t)i);
		f->name = json_str(file, "name", "");
		f->size = json_int(file, "size", 0);
		/*
		 * Relative to the job directory, where we stand: the struct's 64 bytes hold any
		 * name of the worker.
		 */
		len = snprintf(f->path, sizeof(f->path), "in/%s", path);
		if (len < 0 || (size_t)len >= sizeof(f->path))
			return false;
	}
	return true;
}

static int run_job(struct job *job)
{
	static const struct {
		const char *name;
		json_object *(*run)(struct job *);
		const char *cpu; /* its limit of CPU seconds */
		bool threads;	 /* GDAL wants some; the worker counts them */
	} tasks[] = {
	    {"inspect", inspect_run, "inspect_cpu_s", true},
	    {"import", import_run, "import_cpu_s", true},
	    {"export", export_run, "import_cpu_s", true},
	    {"unpack", unpack_run, "iserver_unzip_s", false},
	    {"rows", rows_run, "import_cpu_s", false},
	};
	const char *name = json_str(job->spec, "task", "");
	struct error error = {0};

	for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++) {
		json_object *result;
		int at, code;

		if (strcmp(tasks[i].name, name) != 0)
			continue;
		if (sandbox_limits(job_limit(job, "jail_memory"), job_limit(job, tasks[i].cpu),
				   job_limit(job, "output_max_bytes"), tasks[i].threads,
				   &error) != ERR_OK)
			return complain(&error);
		if (!take_files(job)) {
			(void)fprintf(stderr, "slipway-geo: bad file in the job\n");
			return 1;
		}
		driver_begin(job);
		driver_extras(json_str(job->spec, "drivers", NULL));
		result = tasks[i].run(job);
		/* What we unpacked is no result. */
		at = fs_open_dir(AT_FDCWD, "out");
		if (at >= 0)
			(void)fs_remove_tree(at, "work", NULL);
		if (result == NULL)
			return send_failed(job);
		/* A result has no place for what a driver said of a layer that failed. */
		if (job->detail[0] != '\0')
			(void)fprintf(stderr, "slipway-geo: %s\n", job->detail);
		json_set_str(result, "type", "result");
		if (json_arr(result, "warnings") == NULL)
			json_set(result, "warnings",
				 job->warnings != NULL ? json_object_get(job->warnings)
						       : json_object_new_array());
		code = send_message(result);
		return code;
	}
	(void)fprintf(stderr, "slipway-geo: unknown task\n");
	return 1;
}

static int one_job(const char *dir)
{
	struct job job = {0};
	struct error error = {0};
	int level;

	if (chdir(dir) != 0 || getcwd(job.dir, sizeof(job.dir)) == NULL) {
		(void)error_errno(&error, ERR_IO, "%s", dir);
		return complain(&error);
	}
	if (sandbox_enter(job.dir, &level, &error) != ERR_OK)
		return complain(&error);
	if (send_ready(level) != 0)
		return 1;
	if (frame_read(STDIN_FILENO, -1, &job.spec, &error) != ERR_OK)
		return error.err == ERR_CUT ? 0 : complain(&error);
	return run_job(&job);
}

static int questions(void)
{
	struct error error = {0};
	struct job job = {0};
	int level, code = 0;

	if (sandbox_enter(NULL, &level, &error) != ERR_OK ||
	    sandbox_limits(job_limit(&job, "jail_memory"), CPU_FOREVER, 0, false, &error) != ERR_OK)
		return complain(&error);
	code = send_ready(level);
	while (code == 0) {
		json_object *question, *answer;
		const char *task;

		if (frame_read(STDIN_FILENO, -1, &question, &error) != ERR_OK)
			return error.err == ERR_CUT ? 0 : complain(&error);
		task = json_str(question, "task", "");
		if (strcmp(task, "srs") == 0)
			answer = srs_question(question);
		else if (strcmp(task, "preview") == 0)
			answer = preview_question(question);
		else
			return complain(&(struct error){.text = "unknown question"});
		json_set_str(answer, "type", "result");
		json_object_put(question);
		code = send_message(answer);
	}
	return code;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
	    {"job", required_argument, NULL, 'j'},
	    {"crs-index", required_argument, NULL, 'c'},
	    {"version", no_argument, NULL, 'v'},
	    {NULL, 0, NULL, 0},
	};
	const char *dir = NULL;
	struct error error = {0};
	int c;

	if (child_refuses_web("slipway-geo"))
		return 2;
	/* 0, 1 and 2 are the worker's pipes; 3 may be a log. */
	(void)close_range(4, ~0U, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	/* A write over the output limit fails and can be told; the signal would only kill. */
	(void)signal(SIGXFSZ, SIG_IGN);
	/* A job whose worker was killed works for nobody: its successor starts the task again. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Each arena reserves 64 MiB of the address space that is limited. */
	(void)mallopt(M_ARENA_MAX, 4);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'j':
			dir = optarg;
			break;
		case 'c':
			driver_setup();
			return crs_export(optarg, &error) == ERR_OK ? 0 : complain(&error);
		case 'v':
			(void)printf("slipway-geo, GDAL %s, PROJ %s\n",
				     GDALVersionInfo("RELEASE_NAME"), driver_proj_version());
			return 0;
		default:
			return 2;
		}
	if (optind != argc) {
		(void)fprintf(stderr,
			      "usage: slipway-geo [--job DIR | --crs-index FILE | --version]\n");
		return 2;
	}
	driver_setup();
	/* Not exit(): the destructors of a hundred libraries take longer than the answer. */
	(void)umask(077);
	_exit(dir != NULL ? one_job(dir) : questions());
}
