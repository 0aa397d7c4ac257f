-- Failed checkpoints are forgotten, and a backup whose content is missing has an alarm of its own.
create index failed_checkpoints on backups (id) where kind = 'checkpoint' and state = 'failed';

-- Whoever deletes a backup asks whether anything names it.
create index on backups (base_backup_id) where base_backup_id is not null;
create index on restores (backup_id);
create index on restores (safety_backup_id) where safety_backup_id is not null;
create index on backup_drills (backup_id);

alter table backup_alarms drop constraint backup_alarms_kind_check;
alter table backup_alarms add constraint backup_alarms_kind_check
  check (kind in ('remote_unavailable', 'backup_failed', 'restore_failed', 'drill_failed', 'content_missing'));
