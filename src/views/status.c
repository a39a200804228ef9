/*
 * Figures for the operator: /metrics in Prometheus' text format, for administrators.
 */
#include "views/views.h"
#include "base/mem.h"

struct figures {
	size_t queued, running;
};

static enum err figures_pass(struct pass *p, void *arg)
{
	struct figures *f = arg;
	return tasks_count(p, &f->queued, &f->running);
}

enum err metrics_view(struct call *call)
{
	struct figures f = {0};
	enum err err = store_pass(call->ctx->store, PASS_READ, "metrics", figures_pass, &f, &call->error);
	if (err != ERR_OK)
		return err;
	json_object *stat = store_stat(call->ctx->store);
	CLEAN_FREE char *text = mem_printf(
	    "# HELP slipway_tasks Background tasks by state.\n# TYPE slipway_tasks gauge\n"
	    "slipway_tasks{state=\"queued\"} %zu\nslipway_tasks{state=\"running\"} %zu\n"
	    "# HELP slipway_store_recoveries_total Recoveries of the store.\n# TYPE slipway_store_recoveries_total counter\n"
	    "slipway_store_recoveries_total %lld\n",
	    f.queued, f.running, (long long)json_int(stat, "epoch", 0));
	json_object_put(stat);
	reply_text(call->reply, 200, "text/plain; version=0.0.4; charset=utf-8", text);
	return ERR_OK;
}
