-- Upgrades: an instance's machine is made anew of other software on the state that it has, on probation until it serves.

alter table slots
  -- What the machine that exists was made of; spec_version says what it should be made of.
  add column made_of text,
  -- While an upgrade is on probation: what to go back to, and when patience ends.
  add column upgrade_from text,
  add column upgrade_until timestamptz,
  -- The last upgrade that was rolled back, and why.
  add column refused_spec text,
  add column refused_reason text,
  add check ((upgrade_from is null) = (upgrade_until is null));

alter table instances
  -- What its owner wants it to be made of; empty again once that is so or was refused.
  add column upgrade_to text,
  -- The last upgrade, as `LastUpgrade` in schema.ts says.
  add column last_upgrade jsonb;

grant select (spec_version) on slots to reef_app;
