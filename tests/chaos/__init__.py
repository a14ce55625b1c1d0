"""`make chaos`: a server that is killed, stopped and used at random for minutes; prints what was lost."""
