// MeterSimulator
