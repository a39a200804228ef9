# make bundle: one folder to upload by FTP to a host where nothing can be installed or configured.
#
#   BUNDLE=DIR    the folder to make or to bring up to date; its data and slipway.conf are kept
#   GEO_LIBS=1    with GDAL, PROJ and all they need (160 MB) for hosts that have no GDAL 3.6
#
# The programs are linked anew to find their libraries in lib/ beside them.  --disable-new-dtags: the libraries there
# find each other by it as well.  slipway-geo looks at the host's own libraries first unless GDAL comes along: the
# host's GDAL wants its neighbours as they are there.  The compiler is asked only when a bundle is made.
BUNDLE   ?= $(B)/bundle
GEO_LIBS ?= 0
BUNDLED  := $(B)/bundled
HOST_LIBS = /usr/lib/$(shell $(CC) -print-multiarch):/lib/$(shell $(CC) -print-multiarch):/usr/lib64:/usr/lib
beside    = -Wl,--disable-new-dtags,-rpath,'$(1)'
BESIDE_geo = $(call beside,$(if $(filter 1,$(GEO_LIBS)),,$(HOST_LIBS):)$$ORIGIN/lib)

# $(1) file, $(2) main, $(3) folder of src/ it is made of
define BUNDLED_RULE
$(BUNDLED)/$(1): $(B)/o/main/$(2).o $(foreach f,$(3) $(NEED_$(3)),$(call lib,$f)) bundle/bundle.mk
	@mkdir -p $$(@D)
	$$(call say,LD  $$(patsubst $(B)/%,%,$$@))
	$$(Q)$$(CC) $(LDFLAGS) $$(if $$(BESIDE_$(3)),$$(BESIDE_$(3)),$$(call beside,$$$$ORIGIN/lib)) -s -o $$@ $$(filter-out %.mk,$$^) $(SYS_$(3))
endef
$(eval $(call BUNDLED_RULE,slipway.cgi,cgi,views))
$(eval $(call BUNDLED_RULE,slipway-worker,worker,worker))
$(eval $(call BUNDLED_RULE,slipway,admin,admin))
# Which of the two it is stands in its name: make must not take one for the other.
$(eval $(call BUNDLED_RULE,slipway-geo-$(GEO_LIBS),geo,geo))

# What the search for coordinate reference systems reads: the host may have no way to make it.
$(BUNDLED)/crs.index: $(B)/slipway-geo
	@mkdir -p $(@D)
	$(call say,MAKE  $(patsubst $(B)/%,%,$@))
	$(Q)$(B)/slipway-geo --crs-index $@

.PHONY: bundle
bundle: $(addprefix $(BUNDLED)/,slipway.cgi slipway-worker slipway slipway-geo-$(GEO_LIBS) crs.index)
	@sh bundle/fill.sh $(BUNDLED) '$(BUNDLE)' $(GEO_LIBS)
