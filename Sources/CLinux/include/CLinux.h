#ifndef OBISD_CLINUX_H
#define OBISD_CLINUX_H

#endif
