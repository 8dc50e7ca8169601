-- Up to which row of the history it was looked through for what is too much; a start goes on from there.
ALTER TABLE monitor ADD COLUMN trimmed_until INTEGER NOT NULL DEFAULT 0;
