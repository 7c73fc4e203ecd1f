#ifndef OBISD_CLINUX_H
#define OBISD_CLINUX_H

#include "ClockState.h"
#include "EventFD.h"
#include "PseudoTerminal.h"

#endif
