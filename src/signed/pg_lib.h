/*
 * libpq, loaded when the first PostgreSQL target is used: a program that never uses one starts
 * without it and runs where it is not installed.
 */
#ifndef SLIPWAY_SIGNED_PG_LIB_H
#define SLIPWAY_SIGNED_PG_LIB_H

#include <libpq-fe.h>

#define PG_FUNCTIONS(X)                                                                            \
	X(PQconnectdbParams)                                                                       \
	X(PQreset)                                                                                 \
	X(PQsetErrorVerbosity)                                                                     \
	X(PQfinish)                                                                                \
	X(PQstatus)                                                                                \
	X(PQerrorMessage)                                                                          \
	X(PQtransactionStatus)                                                                     \
	X(PQsetnonblocking)                                                                        \
	X(PQflush)                                                                                 \
	X(PQsendQuery)                                                                             \
	X(PQsendQueryParams)                                                                       \
	X(PQsendPrepare)                                                                           \
	X(PQsendQueryPrepared)                                                                     \
	X(PQisBusy)                                                                                \
	X(PQconsumeInput)                                                                          \
	X(PQresultStatus)                                                                          \
	X(PQresultErrorField)                                                                      \
	X(PQcmdStatus)                                                                             \
	X(PQcmdTuples)                                                                             \
	X(PQntuples)                                                                               \
	X(PQnfields)                                                                               \
	X(PQgetvalue)                                                                              \
	X(PQgetisnull)                                                                             \
	X(PQgetlength)                                                                             \
	X(PQclear)                                                                                 \
	X(PQputCopyData)                                                                           \
	X(PQputCopyEnd)                                                                            \
	X(PQgetResult)                                                                             \
	X(PQsocket)                                                                                \
	X(PQsetNoticeProcessor)

struct pg_lib {
#define X(name) __typeof__(&name) name;
	PG_FUNCTIONS(X)
#undef X
};

/* NULL: libpq is not installed, or lacks what is needed. */
const struct pg_lib *pg_lib(void);

#endif
