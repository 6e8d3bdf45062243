from asyncjobd.cli import main

main()
