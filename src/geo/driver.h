/*
 * GDAL as the jail uses it: settings, the few drivers that are registered at all, and which one a
 * kind gets.
 * Source: contracts/security.md 4.4, 4.5.
 */
#ifndef SLIPWAY_GEO_DRIVER_H
#define SLIPWAY_GEO_DRIVER_H

#include "geo/job.h"
#include "wizard/session.h"

/*
 * Settings, drivers, PROJ's database: all that needs files from outside.  Before the jail is
 * entered.
 */
void driver_setup(void);
/*
 * Extra drivers of the administrator ("HFA JP2OpenJPEG NITF"); from the job, before a file is
 * opened.
 */
void driver_extras(const char *names);
/*
 * For JOB: GDAL's last failure goes to its detail, its warnings nowhere, temporary files to
 * out/work/.
 */
void driver_begin(struct job *);
/* Name of the one driver for KIND ("ESRI Shapefile"); NULL: none (tables, mosaics).  Static. */
const char *driver_of(enum kind);
/* "9.1.1".  Static. */
const char *driver_proj_version(void);

#endif
