-- An alert webhook's signing key is derived from an id of its own. A count began anew with the row, and old keys with it.
-- The keys of now stay: they were derived from the count's digits. An UPDATE would miss what row-level security hides from
-- the tables' owner.
alter table alert_webhooks alter column secret_version drop default,
  alter column secret_version type text using secret_version::text;
alter table alert_webhooks rename column secret_version to secret_id;
