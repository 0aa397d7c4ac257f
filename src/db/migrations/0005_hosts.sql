-- Hosts of drivers that have several: what operators want of them, and where each slot lies.

create table hosts (
  driver text not null,
  name text not null,
  -- `draining`: no new slot is placed on it; those that are there stay until they are removed.
  state text not null default 'active' check (state in ('active', 'draining')),
  changed_at timestamptz not null default now(),
  primary key (driver, name)
);

-- Written before the machine is asked for, so that a call whose reply was lost is repeated on the same host, also while
-- that host does not answer.
alter table slots add column host text;

grant select, insert, update, delete on hosts to reef_worker;
