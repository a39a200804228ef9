# Slipway.  Fresh machine: `make run` to try it, `make check` to test it.
#
# Each folder below src/ becomes one archive, each program a list of archives:
# the link line is the layer diagram.  B is the build directory.

B       ?= build
# make V=1 shows whole commands
V       ?= 0
ifeq ($(V),0)
Q       := @
say     = @echo "  $(1)"
else
say     = @:
endif
CC      ?= cc
OPT     ?= -O2 -g
WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
           -Wmissing-prototypes -Wwrite-strings -Wvla -Wformat=2 -Wswitch-enum -Werror
HARDEN  ?= -D_FORTIFY_SOURCE=3 -fstack-protector-strong
SAN     ?=
CFLAGS  ?= $(OPT) $(HARDEN)
CPPFLAGS += -D_GNU_SOURCE -Isrc '-ffile-prefix-map=$(CURDIR)=.'
ALLC    = -std=c17 $(WARN) $(CFLAGS) $(SAN) -fPIE -pthread -MMD -MP
LDFLAGS += -pie -Wl,-z,relro,-z,now -Wl,--as-needed -pthread $(SAN)

GDAL_INC := -isystem /usr/include/gdal
PQ_INC   := -isystem /usr/include/postgresql
LIBS_BASE    := -ljson-c -lcrypto -linih -lutf8proc -luchardet
LIBS_HTTP    := -lfcgi -lexpat -lz
LIBS_STORE   := -ldb -lcrypt
LIBS_CATALOG := -lsqlite3
LIBS_WORKER  := -lcurl
LIBS_GEO     := -lgdal -lproj -lseccomp -lsqlite3 -lzip -lexpat -lm

FOLDERS := base http store upload wizard catalog signed area views worker geo admin
lib      = $(B)/lib$(1).a
objs     = $(patsubst src/%.c,$(B)/o/%.o,$(wildcard src/$(1)/*.c))

# What each folder may use, nearest first: also the link order.
NEED_base    :=
NEED_http    := base
NEED_store   := base
NEED_upload  := store base
NEED_wizard  := base
NEED_catalog := base
NEED_signed  := wizard store base
NEED_area    := base
NEED_views   := http upload catalog signed wizard area store base
NEED_worker  := upload catalog signed wizard area store base
NEED_geo     := wizard area base
NEED_admin   := worker upload catalog signed wizard area store base
SYS_base     := $(LIBS_BASE)
SYS_http     := $(LIBS_HTTP) $(LIBS_BASE)
SYS_store    := $(LIBS_STORE) $(LIBS_BASE)
SYS_upload   := $(LIBS_STORE) $(LIBS_BASE)
SYS_wizard   := $(LIBS_BASE) -lm
SYS_catalog  := $(LIBS_CATALOG) $(LIBS_BASE)
SYS_signed   := $(LIBS_STORE) $(LIBS_CATALOG) $(LIBS_BASE) -lm
SYS_area     := $(LIBS_BASE)
SYS_views    := $(LIBS_HTTP) $(LIBS_STORE) $(LIBS_CATALOG) $(LIBS_BASE) -lm
SYS_worker   := $(LIBS_STORE) $(LIBS_CATALOG) $(LIBS_WORKER) $(LIBS_BASE) -lm
SYS_geo      := $(LIBS_GEO) $(LIBS_BASE)
SYS_admin    := $(SYS_worker) -lcurl

PROGRAMS := $(B)/slipway.fcgi $(B)/slipway-worker $(B)/slipway-geo $(B)/slipway

.PHONY: all run deps check unit clean lint format asan valgrind fuzz crash soak timing bench
all: $(PROGRAMS)

# Builds, then serves the wizard on http://127.0.0.1:8080/ with its data in var/ and prints a login link.
run: all
	@sh tests/deps.sh run
	@exec $(B)/slipway serve --listen 127.0.0.1:8080 --data-dir var

# Installs what tests need, builds and runs all of them; closes with "N passed, N failed".
check:
	@sh tests/deps.sh check
	@$(MAKE) --no-print-directory -j2 all unit crash >$(B).log 2>&1 || { tail -40 $(B).log; exit 1; }
	@/usr/bin/python3 tests/run.py $(B)

# Plain CGI starts the front for each request, and looking up the symbols of these took half of its time: where
# there is an archive they are linked in.  Those that read what clients send stay shared, for the updates of the
# distribution.  Only plain digests are used of libcrypto.
FRONT_IN  := crypto sqlite3 db
archive    = $(if $(findstring /,$(shell $(CC) -print-file-name=lib$(1).a)),-l:lib$(1).a,-l$(1))
SYS_front  = $(filter-out $(addprefix -l,$(FRONT_IN)),$(SYS_views)) $(foreach l,$(FRONT_IN),$(call archive,$(l))) -lm \
             -Wl,--exclude-libs,$(subst $(eval) ,:,$(FRONT_IN:%=lib%.a))
$(B)/slipway.fcgi: $(B)/o/main/cgi.o $(foreach f,views $(NEED_views),$(call lib,$f))
	$(call say,$(if $(filter %.o,$@),CC,LD)  $(patsubst $(B)/%,%,$@))
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(SYS_front)
$(B)/slipway-worker: $(B)/o/main/worker.o $(foreach f,worker $(NEED_worker),$(call lib,$f))
	$(call say,$(if $(filter %.o,$@),CC,LD)  $(patsubst $(B)/%,%,$@))
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(SYS_worker)
$(B)/slipway-geo: $(B)/o/main/geo.o $(foreach f,geo $(NEED_geo),$(call lib,$f))
	$(call say,$(if $(filter %.o,$@),CC,LD)  $(patsubst $(B)/%,%,$@))
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(SYS_geo)
$(B)/slipway: $(B)/o/main/admin.o $(foreach f,admin $(NEED_admin),$(call lib,$f))
	$(call say,$(if $(filter %.o,$@),CC,LD)  $(patsubst $(B)/%,%,$@))
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(SYS_admin)

# The four main() files stand apart from their folders so that tests link the rest.
MAIN_cgi := cgi-bin/slipway.c
MAIN_worker := src/worker/main/worker.c
MAIN_geo := src/geo/main/geo.c
MAIN_admin := src/admin/main/admin.c
define MAIN_RULE
$(B)/o/main/$(1).o: $(MAIN_$(1)) | $(B)/deps-ok
	@mkdir -p $$(@D)
	$$(call say,$$(if $$(filter %.o,$$@),CC,LD)  $$(patsubst $$(B)/%,%,$$@))
	$$(Q)$$(CC) $$(CPPFLAGS) $$(GDAL_INC) $$(ALLC) -c -o $$@ $$<
endef
$(foreach m,cgi worker geo admin,$(eval $(call MAIN_RULE,$m)))

$(B)/o/%.o: src/%.c | $(B)/deps-ok
	@mkdir -p $(@D)
	$(call say,$(if $(filter %.o,$@),CC,LD)  $(patsubst $(B)/%,%,$@))
	$(Q)$(CC) $(CPPFLAGS) $(if $(findstring /geo/,$@),$(GDAL_INC)) $(if $(findstring /signed/,$@),$(PQ_INC)) $(ALLC) -c -o $@ $<

define LIB_RULE
$(call lib,$(1)): $(call objs,$(1))
	@rm -f $$@; ar rcs $$@ $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call LIB_RULE,$f)))

# Installs what is missing: silently when nothing is, with apt-get as root, else by telling the line.
$(B)/deps-ok: tests/deps.sh
	@mkdir -p $(B)
	@sh tests/deps.sh build && touch $@
deps:
	@sh tests/deps.sh build

include bundle/bundle.mk

# ---- tests: tests/unit/<folder>/test_*.c links against that folder and what it needs
UNIT_SRC := $(wildcard tests/unit/*/test_*.c)
UNIT_BIN := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))
unit_folder = $(firstword $(subst /, ,$(patsubst tests/unit/%,%,$(1))))
define UNIT_RULE
$(B)/unit/$(1)/%: tests/unit/$(1)/%.c $(foreach f,$(1) $(NEED_$(1)),$(call lib,$f))
	@mkdir -p $$(@D)
	$$(call say,$$(if $$(filter %.o,$$@),CC,LD)  $$(patsubst $$(B)/%,%,$$@))
	$$(Q)$$(CC) $$(CPPFLAGS) $(if $(filter geo,$(1)),$(GDAL_INC)) $(if $(filter signed,$(1)),$(PQ_INC)) -Itests/unit $$(ALLC) $$(LDFLAGS) -o $$@ $$< \
	    $(foreach f,$(1) $(NEED_$(1)),$(call lib,$f)) $(SYS_$(1)) -lcmocka
endef
$(foreach f,$(FOLDERS),$(eval $(call UNIT_RULE,$f)))

# `make unit-store` builds and runs one folder's unit tests.
define UNIT_RUN
.PHONY: unit-$(1)
unit-$(1): $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/$(1)/test_*.c))
	@for t in $$^; do $$$$t || exit 1; done
endef
$(foreach f,$(FOLDERS),$(eval $(call UNIT_RUN,$f)))
unit: $(UNIT_BIN)

# ---- crash loops in C link the store and the signed writer: $(B)/crash/gate_kill
CRASH_LIBS := signed wizard $(NEED_upload)
$(B)/crash/%: tests/crash/%.c $(foreach f,$(CRASH_LIBS),$(call lib,$f))
	@mkdir -p $(@D)
	$(call say,$(if $(filter %.o,$@),CC,LD)  $(patsubst $(B)/%,%,$@))
	$(Q)$(CC) $(CPPFLAGS) $(ALLC) $(LDFLAGS) -o $@ $< $(foreach f,$(CRASH_LIBS),$(call lib,$f)) $(SYS_signed)
crash: $(patsubst tests/crash/%.c,$(B)/crash/%,$(wildcard tests/crash/*.c))

# ---- fuzzing: the committed inputs are replayed in every check, `make fuzz` looks for new ones
FUZZ_S ?= 600
fuzz:
	@B=$(B) sh tests/fuzz/run.sh fuzz $(FUZZ_S)

# ---- the same tests under sanitizers and valgrind; the kill loops run without
asan:
	@$(MAKE) --no-print-directory -j2 B=$(B)-asan OPT="-O1 -g" HARDEN= SAN="-fsanitize=address,undefined -fno-sanitize-recover=undefined" all unit
	@# test_sandbox limits the address space, of which the sanitizer needs terabytes.
	@EXCEPT=geo/test_sandbox LSAN_OPTIONS='suppressions=$(CURDIR)/tests/lsan.supp' \
	    ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 /usr/bin/python3 tests/run.py $(B)-asan unit
valgrind: all unit
	@sh tests/valgrind.sh $(B)
# Lays out every C file as .clang-format says.
format:
	@git ls-files '*.c' '*.h' | xargs clang-format-14 -i
lint:
	@/usr/bin/python3 tests/run.py $(B) lint
soak: all
	@/usr/bin/python3 tests/crash/soak.py
# Does a refused signature's time tell what was wrong with it?
timing: all
	@SLIPWAY_BUILD="$$(realpath $(B))" /usr/bin/python3 tests/http/timing_signed.py
bench: all
	@/usr/bin/python3 bench/run.py $(B)

include install.mk

clean:
	rm -rf $(B) $(B)-asan

-include $(shell find $(B) -name '*.d' 2>/dev/null)
