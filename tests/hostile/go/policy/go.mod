module hostile-go-policy

go 1.24

require grille v0.1.0

replace grille => ./.grille/sdk/go
