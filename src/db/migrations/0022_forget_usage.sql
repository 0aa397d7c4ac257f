-- Records of what was used are kept for a time that the operator sets; the ledger is kept for ever.
grant delete on runtime_usage to reef_worker;
