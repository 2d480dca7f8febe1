raise SystemExit('not a module')
