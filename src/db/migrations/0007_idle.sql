-- The idle ladder: how deeply an instance sleeps that its owner wants running, and what is known of its idleness.

alter table instances
  add column plan text not null default 'free',
  -- Not the owner's wish, which is desired_state: it says how far the ladder has let the instance down by itself.
  add column rung text not null default 'active' check (rung in
    ('active', 'suspended', 'frozen', 'frozen_on_disk', 'stopped', 'archived', 'deleted')),
  add column rung_since timestamptz not null default now(),
  -- When somebody last used it through a proxy; what its supervisor saw is on the slot.
  add column last_active_at timestamptz not null default now(),
  -- While it sleeps: when its OpenClaw wants to act by itself next.
  add column next_wake_at timestamptz;

alter table slots
  -- From heartbeats: turns under way, when there last was one, when a person last did something, the next planned act.
  add column turns_in_flight integer not null default 0,
  add column busy_at timestamptz,
  add column active_at timestamptz,
  add column next_wake_at timestamptz,
  -- Where the memory of the suspended machine should be, and where it is; null: in RAM.
  add column freeze_wanted text check (freeze_wanted in ('memory', 'disk')),
  add column frozen text check (frozen in ('memory', 'disk')),
  add column resumed_at timestamptz,
  -- When it was let on to its host last: its memory may still be growing.
  add column admitted_at timestamptz,
  add column trimmed_at timestamptz;
create index slots_admitted on slots (driver, admitted_at) where admitted_at is not null;
