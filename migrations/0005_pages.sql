-- What pages show first, found without looking at everything. A column that every ping changes stands in no more indexes
-- than it must.

-- What the sweep looks for every second; what is overdue, and what is due next.
DROP INDEX services_due;
CREATE INDEX services_due ON services (alerted, deadline);

-- What is late: only a grace lies between the two.
CREATE INDEX services_late ON services (expected) WHERE grace > 0 AND alerted = 0;

-- Those that failed and those that run, those that are paused and those that were never heard of.
CREATE INDEX services_failed ON services (coalesce(deadline, 253402300799)) WHERE failed = 1;
CREATE INDEX services_running ON services (running_since) WHERE running_since IS NOT NULL;
CREATE INDEX services_paused ON services (deadline) WHERE paused = 1;
CREATE INDEX services_unheard ON services (paused, deadline) WHERE last_ping IS NULL AND running_since IS NULL;
