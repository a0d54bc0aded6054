module platform-allow-list

go 1.24

require grille v0.1.0

replace grille => ../../sdk/go
