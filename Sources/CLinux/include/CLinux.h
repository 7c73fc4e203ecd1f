#ifndef OBISD_CLINUX_H
#define OBISD_CLINUX_H

#include "AssertionGuard.h"
#include "ClockState.h"
#include "EventFD.h"
#include "HeapArenas.h"
#include "ProgramPages.h"
#include "PseudoTerminal.h"
#include "TCPTraffic.h"

#endif
